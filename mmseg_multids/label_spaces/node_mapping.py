"""What the nodes of a trained model stand for in a dataset that it was not trained on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..files import replacing
from .json_files import check_keys, read_json
from .names import normalise_name
from .space import LabelSpace
from .unified import UnifiedLabelSpace


class NodeMapping(NamedTuple):
    """A class, or none, for each node, by names: a file that can be read and edited."""

    dataset: str
    #: Class name of each node, ``None`` where it stands for no class (void).
    class_of_node: dict[str, str | None]

    @classmethod
    def between(cls, label_space: UnifiedLabelSpace, unseen: LabelSpace,
                class_of_node: np.ndarray) -> NodeMapping:
        """Name the nodes and classes of ids, [N], -1 for none."""
        return cls(unseen.name, {node: unseen.classes[c] if c >= 0 else None
                                 for node, c in zip(label_space.nodes, class_of_node)})

    @classmethod
    def from_json(cls, path: str | os.PathLike) -> NodeMapping:
        """Read a file.

        Raises:
            FileNotFoundError: There is none.
            ValueError: It is no such file; file and value are named.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f'mapping of nodes {path} does not exist; '
                                    'tools/search_mapping.py makes one')
        keys = ('dataset', 'class_of_node')
        try:
            data = check_keys(read_json(Path(path)), keys, keys, 'a mapping of nodes')
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from error
        found = data['class_of_node']
        if not isinstance(found, dict) or not all(
                c is None or isinstance(c, str) for c in found.values()):
            raise ValueError(f'{path}: class_of_node must be an object of class names, or null, by '
                             f'node, got {str(found)[:60]}')
        return cls(data['dataset'], found)

    def to_json(self, path: str | os.PathLike) -> None:
        """Write a file."""
        with replacing(path) as file:
            file.write_text(json.dumps(self._asdict(), indent=1, ensure_ascii=False) + '\n',
                            encoding='utf-8')

    def of(self, label_space: UnifiedLabelSpace, unseen: LabelSpace) -> np.ndarray:
        """Return the class of each node, -1 for none. Shape [N], int64.

        Raises:
            ValueError: Another dataset, other nodes, an unknown class, or no class at all.
        """
        if self.dataset != unseen.name:
            raise ValueError(f'the mapping is about {self.dataset}, not {unseen.name}')
        if set(self.class_of_node) != set(label_space.nodes):
            differ = sorted(set(self.class_of_node) ^ set(label_space.nodes))
            raise ValueError(f'the mapping for {unseen.name} is of another label space: '
                             f'{len(differ)} nodes are in one of both only, such as {differ[0]!r}. '
                             'Search again: tools/search_mapping.py')
        ids = {normalise_name(name): i for i, name in enumerate(unseen.classes)}
        found = np.full(label_space.num_nodes, -1, dtype=np.int64)
        for node, called in enumerate(label_space.nodes):
            name = self.class_of_node[called]
            if name is None:
                continue
            if normalise_name(name) not in ids:
                raise ValueError(f'the mapping gives node {called!r} the class {name!r}, which '
                                 f'{unseen.name} does not have; it has '
                                 f'{", ".join(unseen.classes)}')
            found[node] = ids[normalise_name(name)]
        if (found < 0).all():
            raise ValueError(f'the mapping for {unseen.name} has no class at all')
        return found
