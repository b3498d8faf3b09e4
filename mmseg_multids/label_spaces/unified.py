"""The unified label space: nodes, and how each dataset reads them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..files import replacing
from .json_files import check_keys, read_json
from .space import LabelSpace, distinct_colours

_FORMAT = 'mmseg_multids/label_space/2'


class UnifiedLabelSpace:
    """N nodes that are predicted, and for each dataset the class that a node stands for.

    A node has at most one class per dataset; a class may own several nodes and owns at least one.

    Args:
        nodes: Names of the N nodes.
        spaces: Label spaces of the datasets; their order is kept.
        class_of_node: For each dataset an int array of shape [N]: class id, or -1 for none.

    Raises:
        ValueError: Names repeat, a dataset is missing, an array has another length or an id outside
            the dataset's classes, a class has no node (dataset and class are named), or a node has
            no class at all.
    """

    def __init__(self, nodes: Sequence[str], spaces: Sequence[LabelSpace],
                 class_of_node: Mapping[str, Sequence[int]]) -> None:
        if isinstance(nodes, str) or not all(isinstance(node, str) and node for node in nodes):
            raise ValueError(f'nodes must be a list of names, got {nodes!r}')
        self._nodes = tuple(nodes)
        names = [space.name for space in spaces]
        if not names:
            raise ValueError('a unified label space needs at least one dataset')
        for what, values in (('node', self._nodes), ('dataset', names)):
            repeated = sorted({v for v in values if list(values).count(v) > 1})
            if repeated:
                raise ValueError(f'the {what} {repeated[0]!r} is named more than once')
        if set(names) != set(class_of_node):
            raise ValueError(f'datasets are {names}, but class_of_node is given for '
                             f'{sorted(class_of_node)}')
        self._spaces = {space.name: space for space in spaces}
        self._class_of_node = {name: self._checked(name, class_of_node[name]) for name in names}
        reached = np.any([c >= 0 for c in self._class_of_node.values()], axis=0)
        if not np.all(reached):
            raise ValueError(f'node {self._nodes[int(np.argmin(reached))]!r} stands for no class '
                             'of any dataset')

    def _checked(self, dataset: str, values: Sequence[int]) -> np.ndarray:
        space = self._spaces[dataset]
        array = np.array(values)
        if array.shape != (self.num_nodes,) or not np.issubdtype(array.dtype, np.integer):
            raise ValueError(f'class_of_node of {dataset} must be {self.num_nodes} integers, got '
                             f'shape {array.shape} of {array.dtype}')
        array = array.astype(np.int64)
        outside = (array < -1) | (array >= space.num_classes)
        if outside.any():
            node = int(np.argmax(outside))
            raise ValueError(f'node {self._nodes[node]!r} has class {array[node]} of {dataset}; '
                             f'allowed are -1 to {space.num_classes - 1}')
        missing = np.setdiff1d(np.arange(space.num_classes), array)
        if missing.size:
            listed = ', '.join(repr(space.classes[i]) for i in missing[:5])
            raise ValueError(f'{missing.size} class(es) of {dataset} have no node: {listed}')
        array.setflags(write=False)
        return array

    # ------------------------------------------------------------------ what it holds

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes."""
        return self._nodes

    @property
    def num_nodes(self) -> int:
        """Number of nodes N."""
        return len(self._nodes)

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the datasets, in a fixed order."""
        return tuple(self._spaces)

    @property
    def spaces(self) -> dict[str, LabelSpace]:
        """The datasets' label spaces by name."""
        return dict(self._spaces)

    def space(self, dataset: str) -> LabelSpace:
        """Return a dataset's label space.

        Raises:
            ValueError: The dataset is not known; the known ones are listed.
        """
        if dataset not in self._spaces:
            raise ValueError(f'unknown dataset {dataset!r}; known: {", ".join(self._spaces)}')
        return self._spaces[dataset]

    def class_of_node(self, dataset: str) -> np.ndarray:
        """Return the class that each node stands for, -1 for none. Shape [N], int64, read-only."""
        self.space(dataset)
        return self._class_of_node[dataset]

    def nodes_of_class(self, dataset: str, class_id: int) -> np.ndarray:
        """Return the ids of the nodes of a class, ascending. Shape [at least 1], int64."""
        num_classes = self.space(dataset).num_classes
        if not 0 <= class_id < num_classes:
            raise ValueError(f'{dataset} has no class {class_id}; allowed are 0 to '
                             f'{num_classes - 1}')
        return np.flatnonzero(self._class_of_node[dataset] == class_id)

    def mapping(self, dataset: str) -> np.ndarray:
        """Return which node stands for which class. Shape [N, L], bool."""
        return self.class_of_node(dataset)[:, None] == np.arange(self.space(dataset).num_classes)

    def classes_with_several_nodes(self, dataset: str) -> list[str]:
        """Return the names of the classes that own more than one node."""
        counts = self.mapping(dataset).sum(axis=0)
        return [self.space(dataset).classes[i] for i in np.flatnonzero(counts > 1)]

    def node_of_class(self, dataset: str) -> np.ndarray:
        """Return the one node of each class. Shape [L], int64.

        Raises:
            ValueError: A class has several nodes; the classes are named.
        """
        several = self.classes_with_several_nodes(dataset)
        if several:
            raise ValueError(
                f'{len(several)} class(es) of {dataset} have several nodes: {", ".join(several)}. '
                'Losses over the nodes need exactly one node per class; use a loss in the '
                "dataset's own classes")
        return self.mapping(dataset).argmax(axis=0)

    @property
    def palette(self) -> tuple[tuple[int, int, int], ...]:
        """A colour per node: that of its first dataset's class, made distinct. Length N."""
        colours: list[tuple[int, int, int] | None] = []
        used: set[tuple[int, int, int]] = set()
        for node in range(self.num_nodes):
            dataset = next(d for d in self.datasets if self._class_of_node[d][node] >= 0)
            colour = self._spaces[dataset].palette[self._class_of_node[dataset][node]]
            colours.append(None if colour in used else colour)
            used.add(colour)
        fresh = iter(distinct_colours(colours.count(None), taken=tuple(used)))
        return tuple(next(fresh) if colour is None else colour for colour in colours)

    # ------------------------------------------------------------------ files and comparison

    def to_dict(self) -> dict:
        """Return plain Python types: names, so that a file of it can be read and edited."""
        columns = {d: [self._spaces[d].classes[c] if c >= 0 else None for c in column]
                   for d, column in self._class_of_node.items()}
        return {'format': _FORMAT, 'datasets': [space.to_dict() for space in self._spaces.values()],
                'nodes': [{'name': name, 'classes': {
                    d: column[node] for d, column in columns.items() if column[node] is not None}}
                    for node, name in enumerate(self._nodes)]}

    @classmethod
    def from_dict(cls, data: dict) -> UnifiedLabelSpace:
        """Build from what :meth:`to_dict` returned.

        Raises:
            ValueError: Another format, a part is missing or unknown, a node names a dataset or a
                class that there is not; which, and what there is, is said.
        """
        if not isinstance(data, dict) or data.get('format') != _FORMAT:
            found = data.get('format') if isinstance(data, dict) else type(data).__name__
            raise ValueError(f'not a unified label space: format is {found!r}, expected '
                             f'{_FORMAT!r}')
        keys = ('format', 'datasets', 'nodes')
        check_keys(data, keys, keys, 'a unified label space')
        try:
            spaces = [LabelSpace.from_dict(one) for one in data['datasets']]
        except KeyError as error:
            raise ValueError(f'a dataset of a unified label space needs {error}') from None
        except (TypeError, AttributeError) as error:  # such as null where a list should be
            raise ValueError(f'not a unified label space: {error}') from None
        if not isinstance(data['nodes'], list):
            raise ValueError(f'nodes is {data["nodes"]!r}; a list of objects with name and classes '
                             'is needed')
        known = {space.name: space for space in spaces}
        table = {name: [-1] * len(data['nodes']) for name in known}
        for place, node in enumerate(data['nodes']):
            keys = ('name', 'classes')
            try:
                classes = check_keys(node, keys, keys, 'it')['classes']
                if not isinstance(classes, dict):
                    raise ValueError(f'classes is {classes!r}; an object of a class for each '
                                     'dataset is needed')
                for dataset, name in classes.items():
                    if dataset not in known:
                        raise ValueError(f'there is no dataset {dataset!r}, only '
                                         f'{", ".join(known)}')
                    table[dataset][place] = known[dataset].index(name)
            except ValueError as error:
                called = node.get('name', place) if isinstance(node, dict) else place
                raise ValueError(f'node {called!r}: {error}') from None
        return cls([node['name'] for node in data['nodes']], spaces, table)

    def to_json(self, path: str | os.PathLike) -> None:
        """Write a JSON file; a file of that name is replaced only by a complete one."""
        with replacing(path) as file:
            file.write_text(_readable(self.to_dict()), encoding='utf-8')

    @classmethod
    def from_json(cls, path: str | os.PathLike) -> UnifiedLabelSpace:
        """Read a JSON file.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is no JSON, or no unified label space; the file is named.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f'label space file {path} does not exist')
        try:
            return cls.from_dict(read_json(Path(path)))
        except ValueError as error:
            named = str(error) if str(error).startswith(str(path)) else f'{path}: {error}'
            raise ValueError(named) from error

    def differences(self, other: UnifiedLabelSpace) -> list[str]:
        """Say in words what is different in ``other``; an empty list means equal."""
        lines = [f'dataset {d} is missing' for d in self.datasets if d not in other.datasets]
        lines += [f'dataset {d} was added' for d in other.datasets if d not in self.datasets]
        common = [d for d in self.datasets if d in other.datasets]
        for dataset in common:
            lines += class_differences(self.space(dataset), other.space(dataset))
        if not lines and self.datasets != other.datasets:
            lines.append(f'order of datasets: {", ".join(self.datasets)} became '
                         f'{", ".join(other.datasets)}')
        if self.nodes != other.nodes:
            gone = [n for n in self.nodes if n not in other.nodes]
            new = [n for n in other.nodes if n not in self.nodes]
            lines.append(f'nodes: {self.num_nodes} became {other.num_nodes}'
                         + (f'; missing: {_some(gone)}' if gone else '')
                         + (f'; added: {_some(new)}' if new else '')
                         + ('; in another order' if not gone and not new else ''))
        elif not lines:
            for dataset in common:
                moved = np.flatnonzero(self.class_of_node(dataset) != other.class_of_node(dataset))
                if moved.size:
                    lines.append(f'{dataset}: {moved.size} node(s) stand for other classes: '
                                 + _some([self.nodes[i] for i in moved]))
        return lines

    def order_in(self, other: UnifiedLabelSpace) -> np.ndarray | None:
        """Return where each node stands in ``other`` if only the order differs, else ``None``.

        Only the order: the same datasets, each with the same classes in the same order, and the
        same nodes, told by the classes that they stand for.
        """
        if set(self.datasets) != set(other.datasets) or self.num_nodes != other.num_nodes \
                or any(self.space(d).classes != other.space(d).classes for d in self.datasets):
            return None
        names = sorted(self.datasets)
        ours, theirs = (np.stack([space.class_of_node(d) for d in names], axis=1).tolist()
                        for space in (self, other))
        position = {tuple(node): i for i, node in enumerate(theirs)}
        if len(position) != len(theirs) or set(position) != set(map(tuple, ours)):
            return None  # nodes that cannot be told apart, or other ones
        return np.array([position[tuple(node)] for node in ours])

    def __eq__(self, other: object) -> bool:
        """Equal nodes, datasets, classes and mapping; palettes are decoration."""
        return isinstance(other, UnifiedLabelSpace) and not self.differences(other)

    def __hash__(self) -> int:
        return hash((self._nodes, self.datasets))

    def __repr__(self) -> str:
        return f'UnifiedLabelSpace({self.num_nodes} nodes, datasets: {", ".join(self.datasets)})'


def _some(names: Sequence[str], most: int = 10) -> str:
    more = len(names) - most
    return ', '.join(names[:most]) + (f' and {more} more' if more > 0 else '')


def class_differences(old: LabelSpace, new: LabelSpace) -> list[str]:
    """Say in words how a dataset's classes have changed; an empty list means not at all."""
    if old.classes == new.classes:
        return []
    gone = [c for c in old.classes if c not in new.classes]
    added = [c for c in new.classes if c not in old.classes]
    lines = []
    if gone:
        lines.append(f'{old.name}: classes missing: {_some(gone)}')
    if added:
        lines.append(f'{old.name}: classes added: {_some(added)}')
    return lines or [f'{old.name}: same classes in another order']


def _readable(data: dict) -> str:
    """JSON with a line for each node."""
    data = dict(data)
    nodes = data.pop('nodes')
    text = json.dumps(data, indent=1, ensure_ascii=False)
    lines = ',\n  '.join(json.dumps(node, ensure_ascii=False) for node in nodes)
    return text[:text.rindex('\n}')] + f',\n "nodes": [\n  {lines}\n ]\n}}\n'
