"""Ways to make one label space out of several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .names import AliasTable, normalise_entry, normalise_name
from .space import LabelSpace
from .unified import UnifiedLabelSpace


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
            entry may be ``dataset/class``.
        keep_apart: Groups whose classes do not merge with each other although their names are the
            same, such as ``[['camvid11/Building', 'labelmefacade8/building']]``. A group of one
            plain name keeps apart all classes of that name.

    Returns:
        A unified label space with exactly one node per class. A node is named like its first class;
        if that name is taken, ``dataset/class``.

    Raises:
        ValueError: Two classes of one dataset would become one node, or ``aliases`` or
            ``keep_apart`` name a class that no dataset has.
    """
    _check_entries(spaces, aliases, 'aliases')
    _check_entries(spaces, keep_apart, 'keep_apart')
    table = AliasTable(aliases)
    forbidden = [{normalise_entry(entry) for entry in group} for group in keep_apart or ()]
    members: list[list[tuple[LabelSpace, int]]] = []  # classes of each node
    nodes_of_key: dict[str, list[int]] = {}
    for space in spaces:
        for class_id, name in enumerate(space.classes):
            key = table.key(space.name, name)
            node = next((n for n in nodes_of_key.get(key, ())
                         if not _kept_apart((space, class_id), members[n], forbidden)), None)
            if node is None:
                node = len(members)
                members.append([])
                nodes_of_key.setdefault(key, []).append(node)
            same = [s.classes[i] for s, i in members[node] if s is space]
            if same:
                raise ValueError(
                    f'classes {same[0]!r} and {name!r} of {space.name} would become one node; a '
                    'node has at most one class per dataset. Remove the alias, or name them in '
                    'keep_apart')
            members[node].append((space, class_id))
    class_of_node = {space.name: np.full(len(members), -1, dtype=np.int64) for space in spaces}
    names: list[str] = []
    taken: set[str] = set()
    for node, classes in enumerate(members):
        for space, class_id in classes:
            class_of_node[space.name][node] = class_id
        space, class_id = classes[0]
        plain = space.classes[class_id]
        names.append(f'{space.name}/{plain}' if normalise_name(plain) in taken else plain)
        taken.add(normalise_name(plain))
    return UnifiedLabelSpace(names, spaces, class_of_node)


def _entries_of(space: LabelSpace, class_id: int) -> set[str]:
    name = normalise_name(space.classes[class_id])
    return {name, f'{space.name}/{name}'}


def _kept_apart(new: tuple[LabelSpace, int], members: list[tuple[LabelSpace, int]],
                forbidden: list[set[str]]) -> bool:
    return any(_named_apart(_entries_of(*new) & group, _entries_of(*member) & group, group)
               for group in forbidden for member in members)


def _named_apart(a: set[str], b: set[str], group: set[str]) -> bool:
    """Whether two classes, here what a group names of them, are different entries of it."""
    return bool(a and b) and (len(group) == 1 or len(a | b) > 1)


def _check_entries(spaces: Sequence[LabelSpace], groups: Sequence[Sequence[str]] | None,
                   argument: str) -> None:
    """Refuse names that no dataset has: most likely they are misspelt."""
    known = set().union(*(_entries_of(s, i) for s in spaces for i in range(s.num_classes)))
    for group in groups or ():
        if isinstance(group, str):
            raise ValueError(f'{argument} is a list of groups of names, got the text {group!r}')
        for entry in group:
            if normalise_entry(entry) not in known:
                raise ValueError(f'{argument} names {entry!r}, but no dataset has that class; '
                                 f'datasets: {", ".join(s.name for s in spaces)}')
