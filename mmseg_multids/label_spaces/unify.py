"""Ways to make one label space out of several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations, product

import numpy as np

from .names import check_groups, find_classes, normalise_name
from .space import LabelSpace
from .unified import UnifiedLabelSpace

Class = tuple[int, int]  # (index of the space, class id)


def unify_disjoint(spaces: Sequence[LabelSpace]) -> UnifiedLabelSpace:
    """Give every class of every dataset a node of its own, named ``dataset/class``.

    Args:
        spaces: Label spaces of the datasets.

    Returns:
        A unified label space with N = sum of the numbers of classes; each dataset's nodes are
        contiguous.
    """
    sizes = [space.num_classes for space in spaces]
    starts = np.cumsum([0, *sizes])
    class_of_node = {}
    for space, start in zip(spaces, starts):
        class_of_node[space.name] = np.full(sum(sizes), -1, dtype=np.int64)
        class_of_node[space.name][start:start + space.num_classes] = np.arange(space.num_classes)
    nodes = [f'{space.name}/{name}' for space in spaces for name in space.classes]
    return UnifiedLabelSpace(nodes, spaces, class_of_node)


def unify_by_name(spaces: Sequence[LabelSpace],
                  aliases: Sequence[Sequence[str]] | None = None,
                  keep_apart: Sequence[Sequence[str]] | None = None) -> UnifiedLabelSpace:
    """Merge classes of different datasets that have the same name.

    Names are compared without case, ``_``, ``-`` and extra blanks.

    Args:
        spaces: Label spaces of the datasets.
        aliases: Groups of names that merge as well, such as ``[['person', 'pedestrian']]``; an
            entry may be ``dataset/class``. Merging is transitive: classes of the same name as an
            aliased one come along, unless they are kept apart.
        keep_apart: Groups whose entries do not merge with each other, by name or by alias, such as
            ``[['camvid11/Building', 'labelmefacade8/building']]``. Classes of a group of one entry
            get a node of their own each. Where a third class could go to either of two that are
            kept apart, an alias comes before an equal name, and an earlier dataset before a later.

    Returns:
        A unified label space with exactly one node per class. A node is named like its first class;
        if that name is taken, ``dataset/class``.

    Raises:
        ValueError: Two classes of one dataset would become one node, or ``aliases`` or
            ``keep_apart`` name a class that no dataset has.
    """
    alias_groups = [sorted({c for entry in group for c in entry})
                    for group in _resolve(spaces, aliases, 'aliases', least=2)]
    nodes = _Merger(spaces, _forbidden_pairs(spaces, keep_apart))
    for group in [*alias_groups, *_equal_names(spaces)]:  # explicit wishes come first
        for first, second in combinations(group, 2):
            nodes.merge(first, second)
    members = nodes.members()
    class_of_node = {space.name: np.full(len(members), -1, dtype=np.int64) for space in spaces}
    for node, classes in enumerate(members):
        for space, class_id in classes:
            class_of_node[spaces[space].name][node] = class_id
    return UnifiedLabelSpace(node_names(spaces, members), spaces, class_of_node)


class _Merger:
    """Sets of classes that grow together, except across forbidden pairs."""

    def __init__(self, spaces: Sequence[LabelSpace], forbidden: set[frozenset[Class]]) -> None:
        self._spaces = spaces
        self._forbidden = forbidden
        self._set_of = {(s, i): [(s, i)] for s, space in enumerate(spaces)
                        for i in range(space.num_classes)}

    def merge(self, first: Class, second: Class) -> None:
        """Join the sets of two classes, unless a pair of their members is kept apart."""
        a, b = self._set_of[first], self._set_of[second]
        if a is b or any(frozenset(pair) in self._forbidden for pair in product(a, b)):
            return
        for one, other in product(a, b):
            if one[0] == other[0]:
                space = self._spaces[one[0]]
                names = ' and '.join(repr(space.classes[i]) for i in sorted((one[1], other[1])))
                raise ValueError(
                    f'classes {names} of {space.name} would become one node; a node has at most '
                    'one class per dataset. Remove the alias, or name them in keep_apart')
        a += b
        for member in b:
            self._set_of[member] = a

    def members(self) -> list[list[Class]]:
        """The sets, ordered by their first classes."""
        unique = {id(group): sorted(group) for group in self._set_of.values()}
        return sorted(unique.values())


def _resolve(spaces: Sequence[LabelSpace], groups: Sequence[Sequence[str]] | None, argument: str,
             least: int = 1) -> list[list[list[Class]]]:
    """Return the classes of each entry of each group; refuse names that no dataset has."""
    resolved = []
    for group in check_groups(groups, argument, least):
        resolved.append([])
        for entry in group:
            classes = find_classes(entry, spaces)
            if not classes:  # most likely misspelt
                dataset = next((s for s in spaces if s.name == entry.partition('/')[0]), None)
                known = (f'datasets: {", ".join(s.name for s in spaces)}' if dataset is None else
                         f'{dataset.name} has {", ".join(dataset.classes)}')
                raise ValueError(f'{argument} names {entry!r}, but no dataset has that class; '
                                 f'{known}')
            resolved[-1].append(classes)
    return resolved


def _forbidden_pairs(spaces: Sequence[LabelSpace],
                     keep_apart: Sequence[Sequence[str]] | None) -> set[frozenset[Class]]:
    every = [(s, i) for s, space in enumerate(spaces) for i in range(space.num_classes)]
    pairs: set[frozenset[Class]] = set()
    for group in _resolve(spaces, keep_apart, 'keep_apart'):
        sides = combinations(group, 2) if len(group) > 1 else [(group[0], every)]
        for one, other in sides:
            pairs |= {frozenset(pair) for pair in product(one, other) if pair[0] != pair[1]}
    return pairs


def _equal_names(spaces: Sequence[LabelSpace]) -> Iterable[list[Class]]:
    groups: dict[str, list[Class]] = {}
    for s, space in enumerate(spaces):
        for i, name in enumerate(space.classes):
            groups.setdefault(normalise_name(name), []).append((s, i))
    return groups.values()


def node_names(spaces: Sequence[LabelSpace], members: Sequence[Sequence[Class]],
               given: Sequence[str] | None = None) -> list[str]:
    """Name each node like its first class, or ``dataset/class`` where that name is taken.

    Args:
        spaces: The datasets.
        members: Classes of each node.
        given: Names that some of the nodes have already, empty where not.
    """
    given = [''] * len(members) if given is None else given
    names: list[str] = []
    taken = {normalise_name(name) for name in given if name}
    for own, ((space, class_id), *_) in zip(given, members):
        if own:
            names.append(own)
            continue
        plain = spaces[space].classes[class_id]
        first = plain if normalise_name(plain) not in taken else f'{spaces[space].name}/{plain}'
        name, count = first, 1
        # A class with several nodes, or one that is literally called so.
        while name in names or name in given:
            count += 1
            name = f'{first} {count}'
        names.append(name)
        taken.add(normalise_name(plain))
    return names
