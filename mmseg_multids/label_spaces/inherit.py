"""Which nodes of one label space go on in another that has more or fewer datasets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .names import match_by_name
from .space import LabelSpace
from .unified import UnifiedLabelSpace, class_differences

Class = tuple[str, int]  # (dataset, class id)


def inherited_nodes(old: UnifiedLabelSpace, new: UnifiedLabelSpace) -> np.ndarray:
    """Return as which node of ``old`` each node of ``new`` goes on.

    Every dataset that both have then reads the same nodes for the same classes.

    Args:
        old: Label space of N nodes.
        new: Label space of M nodes.

    Returns:
        Ids of nodes in ``old``, or -1 for nodes that no common dataset has. Shape [M], int64.

    Raises:
        ValueError: A common dataset has other classes (the differences are listed), or reads other
            nodes: two that were separate are one now, or a class has more or fewer of them.
    """
    common = [d for d in old.datasets if d in new.datasets]
    changed = [line for d in common for line in class_differences(old.space(d), new.space(d))]
    if changed:
        raise ValueError('the classes of a dataset that stays have changed (from the checkpoint to '
                         'the config):\n  ' + '\n  '.join(changed))
    inherited = np.full(new.num_nodes, -1, dtype=np.int64)
    taken: dict[Class, set[int]] = {}
    for node in range(new.num_nodes):
        classes = [(d, int(new.class_of_node(d)[node])) for d in common
                   if new.class_of_node(d)[node] >= 0]
        if not classes:
            continue
        allowed = set.intersection(*(set(old.nodes_of_class(*c).tolist()) for c in classes))
        if not allowed:
            named = ' and '.join(_say(old, c) for c in classes)
            raise ValueError(f'{named} have separate nodes in the checkpoint and would become one '
                             f'({new.nodes[node]!r}); keep them apart '
                             "(label_space=dict(type='by_name', keep_apart=[...]))")
        # Where several nodes fit: the one of the same name, else one that no class has yet.
        chosen = min(allowed, key=lambda i: (
            any(i in taken.get(c, ()) for c in classes), old.nodes[i] != new.nodes[node], i))
        inherited[node] = chosen
        for c in classes:
            taken.setdefault(c, set()).add(chosen)
    for dataset in common:
        for class_id in range(old.space(dataset).num_classes):
            before = old.nodes_of_class(dataset, class_id)
            after = inherited[new.nodes_of_class(dataset, class_id)]
            if sorted(after.tolist()) != before.tolist():
                raise ValueError(
                    f'{_say(old, (dataset, class_id))} was read from the node(s) '
                    f'{", ".join(old.nodes[i] for i in before)} and would be from '
                    f'{", ".join(old.nodes[i] for i in after)}; a dataset that stays needs the '
                    'nodes that it had')
    return inherited


def namesakes(old: UnifiedLabelSpace, new: UnifiedLabelSpace, node: int, first: str | None = None,
              aliases: Sequence[Sequence[str]] | None = None) -> list[Class]:
    """Return the classes of ``old`` that are called like a node's class.

    Args:
        old: Label space to look in.
        new: Label space that the node is of.
        node: A node of datasets that ``old`` lacks.
        first: Dataset of ``old``; where it has such a class the others' are left out.
        aliases: Groups of names that mean the same, as in ``unify_by_name``.

    Returns:
        (dataset, class id) for each, at most one per dataset; empty if there is none.
    """
    found: dict[str, int] = {}
    for dataset in new.datasets:
        class_id = int(new.class_of_node(dataset)[node])
        if class_id < 0 or dataset in old.datasets:
            continue
        for known in old.datasets:
            match = match_by_name(new.space(dataset), old.space(known), aliases)[class_id]
            if match >= 0:
                found.setdefault(known, int(match))
    return [(first, found[first])] if first in found else list(found.items())


def nodes_by_name(old: UnifiedLabelSpace, new: UnifiedLabelSpace, dataset: str | None = None,
                  aliases: Sequence[Sequence[str]] | None = None) -> list[list[tuple[int, ...]]]:
    """Return which nodes of one label space are called like those of another.

    A node is called like its classes, and as itself where no class has its name.

    Args:
        old: Label space to look in.
        new: Label space of M nodes; its datasets may be others or the same.
        dataset: Look at this dataset of ``old`` alone. Default: all.
        aliases: Groups of names that mean the same, as in ``unify_by_name``.

    Returns:
        For each node of ``new`` the nodes of each class in ``old`` that has its name, each set of
        nodes once; empty lists for names that ``old`` lacks. Length M.

    Raises:
        ValueError: ``old`` has no such dataset.
    """
    spaces = list(old.spaces.values()) if dataset is None else [old.space(dataset)]
    if dataset is None:
        itself = LabelSpace('nodes', old.nodes)
    matches = {(name, known.name): match_by_name(space, known, aliases)
               for name, space in new.spaces.items() for known in spaces}
    found: list[list[tuple[int, ...]]] = []
    for node in range(new.num_nodes):
        own = [(d, int(new.class_of_node(d)[node])) for d in new.datasets
               if new.class_of_node(d)[node] >= 0]
        sets = [tuple(old.nodes_of_class(known.name, match).tolist())
                for d, class_id in own for known in spaces
                if (match := int(matches[d, known.name][class_id])) >= 0]
        if not sets and dataset is None:
            names = LabelSpace('node', list(dict.fromkeys(new.space(d).classes[c] for d, c in own)))
            sets = [(int(i),) for i in match_by_name(names, itself, aliases) if i >= 0]
        found.append(list(dict.fromkeys(sets)))
    return found


def _say(space: UnifiedLabelSpace, of: Class) -> str:
    return f'{of[0]}/{space.space(of[0]).classes[of[1]]}'
