"""Which classes of other datasets a class implies: class relations (UniSeg, section 3.3)."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..files import replacing
from .json_files import read_json
from .unified import UnifiedLabelSpace

_FORMAT = 'mmseg_multids.class_relations.1'


class Relation(NamedTuple):
    """A second label: what a dataset labels as a class is a node as well."""

    dataset: str
    primary: str
    secondary: str
    #: Mean similarity of the class's pixels to the second label, and to the class itself.
    score: float
    own_score: float


class ClassRelations:
    """Mean similarity of each dataset's classes to all nodes, and the labels that follow from it.

    ``scores[dataset][c, k]`` is s of UniSeg, Eq. (7): the mean over the pixels that the dataset
    labels c of their similarity to node k. It is not symmetric: motorcyclists look like riders,
    riders not always like motorcyclists. Eq. (6) makes labels of it: a node k is a second label of
    c where its score is above both the threshold and c's own score.

    Args:
        label_space: Whose classes and nodes; each class has exactly one node.
        scores: Shape [L, N] for each dataset; NaN rows for classes without pixels.
        counts: Pixels of each class, for each dataset. Shape [L].
        tau: The threshold. Default: :meth:`automatic_tau`.
        above_own: Whether a second label's score must be above the class's own, too, as in Eq. (6).
            Scores of other datasets' classifiers are not comparable with it.
        about: Where the scores come from; kept in the file.

    Raises:
        ValueError: A class has several nodes; datasets or shapes do not fit; ``tau`` is no number.
    """

    def __init__(self, label_space: UnifiedLabelSpace, scores: Mapping[str, np.ndarray],
                 counts: Mapping[str, np.ndarray], tau: float | None = None,
                 about: Mapping[str, str] | None = None, above_own: bool = True) -> None:
        self.label_space = label_space
        for name, given in (('scores', scores), ('counts', counts)):
            if set(given) != set(label_space.datasets):
                raise ValueError(f'{name} are of {", ".join(given)}; the label space has '
                                 f'{", ".join(label_space.datasets)}')
        self.scores: dict[str, np.ndarray] = {}
        self.counts: dict[str, np.ndarray] = {}
        for dataset in label_space.datasets:
            label_space.node_of_class(dataset)  # refuses several nodes of a class
            shape = (label_space.space(dataset).num_classes, label_space.num_nodes)
            self.scores[dataset] = np.asarray(scores[dataset], dtype=np.float64)
            self.counts[dataset] = np.asarray(counts[dataset], dtype=np.int64)
            if self.scores[dataset].shape != shape or self.counts[dataset].shape != shape[:1]:
                raise ValueError(f'scores and counts of {dataset} have shapes '
                                 f'{self.scores[dataset].shape} and {self.counts[dataset].shape}, '
                                 f'expected {shape} and {shape[:1]}')
        self.about = dict(about or {})
        self.above_own = bool(above_own)
        if tau is None:
            tau = self.automatic_tau()
        elif isinstance(tau, (bool, str)) or not isinstance(tau, (int, float, np.number)) \
                or np.isnan(tau):
            raise ValueError(f'tau={tau!r}: a number is needed, or None for the automatic one')
        self.tau = float(tau)

    # ------------------------------------------------------------------ the rules

    def automatic_tau(self) -> float:
        """Return the threshold as the paper finds it (section 3.3).

        Of every class whose largest score belongs to a node of other datasets only (a likely
        conflict), that score; their mean. Infinite, so that nothing is related, if there is none.
        Without ``above_own`` 0.5, more than half.
        """
        if not self.above_own:
            return 0.5
        found = []
        for dataset, scores in self.scores.items():
            foreign = self.label_space.class_of_node(dataset) < 0
            for row in scores[~np.isnan(scores).any(axis=1)]:
                best = int(row.argmax())
                if foreign[best]:
                    found.append(row[best])
        return float(np.mean(found)) if found else float('inf')

    def table(self, dataset: str) -> np.ndarray:
        """Return what a pixel of each class says of each node (UniSeg, Eq. 6).

        1: the class itself, or a node whose score is above ``tau`` and the class's own; the
        dataset's other classes are 0 unless they are such a node, too; -1: nothing is said of
        nodes of other datasets.

        Returns:
            Shape [L, N], int8.
        """
        own = self.label_space.node_of_class(dataset)
        scores = np.nan_to_num(self.scores[dataset], nan=-np.inf)
        classes = np.arange(len(own))
        table = np.full(scores.shape, -1, dtype=np.int8)
        table[:, own] = 0
        own_scores = scores[classes, own]
        least = np.maximum(self.tau, own_scores) if self.above_own else np.full(
            len(own), self.tau)
        table[scores > least[:, None]] = 1
        table[classes, own] = 1
        return table

    def relations(self) -> list[Relation]:
        """Return all second labels, those of the largest scores first in each dataset."""
        found = []
        for dataset in self.label_space.datasets:
            own = self.label_space.node_of_class(dataset)
            table, scores = self.table(dataset), self.scores[dataset]
            names = self.label_space.space(dataset).classes
            table[np.arange(len(own)), own] = 0
            rows, nodes = np.nonzero(table == 1)
            order = np.argsort(-scores[rows, nodes], kind='stable')
            found += [Relation(dataset, names[c], self.label_space.nodes[k], float(scores[c, k]),
                               float(scores[c, own[c]])) for c, k in zip(rows[order], nodes[order])]
        return found

    # ------------------------------------------------------------------ showing

    def to_csv(self) -> str:
        """Return the second labels as CSV."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator='\n')
        writer.writerow(['dataset', 'primary label', 'secondary label', 'score', 'own score'])
        for relation in self.relations():
            writer.writerow([*relation[:3], f'{relation.score:.4f}', f'{relation.own_score:.4f}'])
        return out.getvalue()

    # ------------------------------------------------------------------ files

    def fingerprint(self) -> str:
        """Return the hash of the label space that the relations were made for."""
        return label_space_hash(self.label_space)

    def to_dict(self) -> dict:
        """Return plain Python types; ``null`` for NaN."""
        return {'format': _FORMAT, 'label_space_hash': self.fingerprint(),
                'label_space': self.label_space.to_dict(), 'about': self.about,
                'tau': self.tau if np.isfinite(self.tau) else None, 'above_own': self.above_own,
                'counts': {d: c.tolist() for d, c in self.counts.items()},
                'scores': {d: [[None if np.isnan(x) else float(x) for x in row]
                               for row in s] for d, s in self.scores.items()},
                'relations': [f'{r.dataset}: {r.primary} -> {r.secondary}'
                              for r in self.relations()]}

    @classmethod
    def from_dict(cls, data: dict) -> ClassRelations:
        """Build from what :meth:`to_dict` returned.

        Raises:
            ValueError: Another format, a part is missing, or the hash is not the label space's.
        """
        if not isinstance(data, dict) or data.get('format') != _FORMAT:
            found = data.get('format') if isinstance(data, dict) else type(data).__name__
            raise ValueError(f'not class relations: format is {found!r}, expected {_FORMAT!r}')
        try:
            space = UnifiedLabelSpace.from_dict(data['label_space'])
            scores = {d: np.array(s, dtype=np.float64) for d, s in data['scores'].items()}
            tau = float('inf') if data['tau'] is None else data['tau']
            relations = cls(space, scores, data['counts'], tau, data.get('about'),
                            data.get('above_own', True))
        except KeyError as error:
            raise ValueError(f'class relations need {error}') from None
        if data.get('label_space_hash') != relations.fingerprint():
            raise ValueError('label_space_hash is not that of the label space in the file: it was '
                             'changed by hand; gather the relations anew')
        return relations

    def to_json(self, path: str | os.PathLike) -> None:
        """Write a JSON file; a file of that name is replaced only by a complete one."""
        with replacing(path) as file:
            file.write_text(_readable(self.to_dict()), encoding='utf-8')

    @classmethod
    def from_json(cls, path: str | os.PathLike) -> ClassRelations:
        """Read a JSON file.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: As :meth:`from_dict`; the file is named.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f'file of class relations {path} does not exist; '
                                    'tools/class_relations.py CONFIG CHECKPOINT makes one')
        try:
            return cls.from_dict(read_json(Path(path)))
        except ValueError as error:
            named = str(error) if str(error).startswith(str(path)) else f'{path}: {error}'
            raise ValueError(f'{named}. Expected is the JSON file that tools/class_relations.py '
                             'writes to --out') from error

    def check(self, label_space: UnifiedLabelSpace) -> None:
        """Refuse another label space.

        Raises:
            ValueError: It is another one; hashes and differences are named.
        """
        differences = self.label_space.differences(label_space)
        if differences:
            raise ValueError(
                f'the class relations were made for another label space (hash '
                f'{self.fingerprint()}, the model has {label_space_hash(label_space)}; from the '
                'relations to the model):\n  ' + '\n  '.join(differences))


def label_space_hash(label_space: UnifiedLabelSpace) -> str:
    """Return 16 hexadecimal digits that differ where nodes, classes or their order do."""
    data = label_space.to_dict()
    for dataset in data['datasets']:
        dataset.pop('palette', None)
    text = json.dumps(data, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _readable(data: dict) -> str:
    """JSON with one line per row of scores."""
    rows = data.pop('scores')
    text = json.dumps(data, indent=1, ensure_ascii=False)
    lines = ',\n'.join(
        f'  {json.dumps(d, ensure_ascii=False)}: [\n   '
        + ',\n   '.join(json.dumps(row) for row in matrix) + '\n  ]' for d, matrix in rows.items())
    return text[:text.rindex('\n}')] + f',\n "scores": {{\n{lines}\n }}\n}}\n'
