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
    #: What decided, on the images of the search: IoU of each class with all of its nodes, from 0 to
    #: 1, ``None`` for classes that the images lack. Only to be read: no prediction needs it, and
    #: who edits the classes need not mend it.
    iou_of_class: dict[str, float | None] | None = None
    #: IoU that the class of a node has without that node, of nodes that have a class.
    iou_without_node: dict[str, float | None] | None = None

    @classmethod
    def between(cls, label_space: UnifiedLabelSpace, unseen: LabelSpace,
                class_of_node: np.ndarray, iou_of_class: np.ndarray | None = None,
                iou_without_node: np.ndarray | None = None) -> NodeMapping:
        """Name the nodes and classes of ids.

        Args:
            label_space: The nodes.
            unseen: The classes.
            class_of_node: Class of each node, -1 for none. Shape [N].
            iou_of_class: IoU of each class, NaN for none. Shape [L].
            iou_without_node: IoU of each node's class without the node. Shape [N].
        """
        named = {node: unseen.classes[c] if c >= 0 else None
                 for node, c in zip(label_space.nodes, class_of_node)}
        classes = None if iou_of_class is None else {
            name: _rounded(v) for name, v in zip(unseen.classes, iou_of_class)}
        nodes = None if iou_without_node is None else {
            node: _rounded(v) for node, v in zip(label_space.nodes, iou_without_node)
            if named[node] is not None}
        return cls(unseen.name, named, classes, nodes)

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
        try:
            data = check_keys(read_json(Path(path)), cls._fields[:2], cls._fields,
                              'a mapping of nodes')
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from error
        found = data['class_of_node']
        if not isinstance(found, dict) or not all(
                c is None or isinstance(c, str) for c in found.values()):
            raise ValueError(f'{path}: class_of_node must be an object of class names, or null, by '
                             f'node, got {str(found)[:60]}')
        for key in cls._fields[2:]:
            scores = data.get(key)
            if scores is not None and (not isinstance(scores, dict) or not all(
                    v is None or isinstance(v, (int, float)) for v in scores.values())):
                raise ValueError(f'{path}: {key} must be an object of numbers, or null, got '
                                 f'{str(scores)[:60]}. It may be left out')
        return cls(**data)

    def to_json(self, path: str | os.PathLike) -> None:
        """Write a file; scores only where there are any."""
        data = {key: value for key, value in self._asdict().items() if value is not None}
        with replacing(path) as file:
            file.write_text(json.dumps(data, indent=1, ensure_ascii=False) + '\n',
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


def _rounded(score: float) -> float | None:
    return None if np.isnan(score) else round(float(score), 4)
