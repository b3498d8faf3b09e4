"""Which classes to merge, as an integer program (AutoUniSeg, Appendix B). Needs scipy."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from .space import LabelSpace
from .unified import UnifiedLabelSpace
from .unify import node_names

Class = tuple[int, int]  # (index of the space, class id)
COSTS = ('absolute', 'relative')


def merge_costs(cross_iou: Mapping[tuple[str, str], np.ndarray], spaces: Sequence[LabelSpace],
                cost: str = 'absolute') -> np.ndarray:
    """Return what it costs to merge two classes of different datasets (AutoUniSeg, Eq. 11).

    The costs of a set of merged classes are those of its pairs: for each of both, how much worse
    the other dataset's head finds it than its own.

    Args:
        cross_iou: ``cross_iou[a, b][i, j]`` is the IoU, from 0 to 1, of class i of dataset a on the
            images of a when class j of b's head stands for it; NaN where it cannot be said.
            ``cross_iou[a, a]`` has the own head's IoU on its diagonal.
        spaces: The datasets, C classes in all.
        cost: ``'absolute'``: the difference, as in the paper. Two classes that are hardly found by
            their own heads (IoU below half of the penalty each) then merge whatever they are.
            ``'relative'``: the difference as a share of the own head's IoU.

    Returns:
        Shape [C, C], symmetric; infinite within a dataset and where an IoU is not known.

    Raises:
        ValueError: An unknown ``cost``; a matrix is missing or has another shape; values outside
            0 to 1.
    """
    if cost not in COSTS:
        raise ValueError(f'cost={cost!r}: allowed are {", ".join(COSTS)}')
    sizes = [space.num_classes for space in spaces]
    starts = np.cumsum([0, *sizes])
    total = np.full((starts[-1], starts[-1]), np.inf)
    blocks = {}
    for a in spaces:
        for b in spaces:
            if (a.name, b.name) not in cross_iou:
                raise ValueError(f'cross_iou lacks ({a.name}, {b.name})')
            block = np.asarray(cross_iou[a.name, b.name], dtype=np.float64)
            if block.shape != (a.num_classes, b.num_classes):
                raise ValueError(f'cross_iou[{a.name}, {b.name}] has shape {block.shape}, expected '
                                 f'{(a.num_classes, b.num_classes)}')
            known = block[~np.isnan(block)]
            if known.size and (known.min() < 0 or known.max() > 1):
                raise ValueError(f'cross_iou[{a.name}, {b.name}] has values from {known.min():g} '
                                 f'to {known.max():g}; IoU is from 0 to 1')
            blocks[a.name, b.name] = block
    for s, a in enumerate(spaces):
        own = np.diag(blocks[a.name, a.name])[:, None]  # [La, 1]
        for t, b in enumerate(spaces):
            if s == t:
                continue
            lost = own - blocks[a.name, b.name]  # [La, Lb]
            if cost == 'relative':
                # A class that its own head never finds says nothing of others.
                lost = np.where(own > 0, lost / np.where(own > 0, own, 1), np.nan)
            total[starts[s]:starts[s + 1], starts[t]:starts[t + 1]] = lost
    both = total + total.T
    both[np.isnan(both)] = np.inf
    return both


def head_affinities(cross_iou: Mapping[tuple[str, str], np.ndarray],
                    spaces: Sequence[LabelSpace]) -> np.ndarray:
    """Return how well classes of different datasets stand for each other.

    The mean of two IoUs: of either class on its own images with the other dataset's head.

    Args:
        cross_iou: As for :func:`merge_costs`.
        spaces: The datasets, C classes in all.

    Returns:
        Shape [C, C], symmetric, from 0 to 1; 0 within a dataset and where an IoU is not known.
    """
    blocks = [[np.zeros((a.num_classes, b.num_classes)) if a is b else
               np.nan_to_num(np.asarray(cross_iou[a.name, b.name], dtype=np.float64))
               for b in spaces] for a in spaces]
    found = np.block(blocks)
    return (found + found.T) / 2


class TooManyCandidates(RuntimeError):
    """There are more sets of classes that may be merged than can be gone through."""


def candidate_merges(costs: np.ndarray, dataset_of: np.ndarray, penalty: float,
                     limit: int | None = None) -> list[tuple[int, ...]]:
    """Return every set of classes that an optimal solution may merge, single classes included.

    A set is left out only where splitting it into one class and the rest is at least as good: the
    costs of the class's pairs with the rest are at least the penalty of one more node. While a set
    grows, the pairs that could still come count with the least that they can cost. A solution
    that is optimal over what is left is therefore optimal over all sets.

    Args:
        costs: Pair costs of :func:`merge_costs`. Shape [C, C].
        dataset_of: Dataset of each class, non-decreasing. Shape [C].
        penalty: Cost of a node (lambda of Eq. 10).
        limit: Give up beyond so many sets.

    Raises:
        TooManyCandidates: There are more than ``limit``.
    """
    datasets = np.unique(dataset_of)
    count = len(costs)
    # What the pairs of a class with a dataset can cost at least, 0 if none of it joins.
    least = np.zeros((count, len(datasets)))
    for i, dataset in enumerate(datasets):
        columns = costs[:, dataset_of == dataset]
        least[:, i] = np.minimum(0, columns.min(axis=1))
    # [C, datasets]: the least over all datasets from this one on
    ahead = np.cumsum(least[:, ::-1], axis=1)[:, ::-1]
    ahead = np.concatenate([ahead, np.zeros((count, 1))], axis=1)
    place = np.searchsorted(datasets, dataset_of)
    found: list[tuple[int, ...]] = [(c,) for c in range(count)]

    finite = np.isfinite(costs)
    later = np.searchsorted(dataset_of, dataset_of, side='right')  # first class of later datasets
    # What a class can gain at best from datasets after those of another class.
    best = ahead[:, place + 1]  # [C, C]

    def grow(members: list[int], paid: np.ndarray, columns: np.ndarray) -> None:
        """Add a class of a later dataset; ``paid``: each member's pairs with the others."""
        pairs = costs[np.ix_(members, columns)]  # [members, columns]
        now = paid[:, None] + pairs
        own = pairs.sum(axis=0)
        # A class may still be joined by classes of later datasets only.
        fits = (now + best[np.ix_(members, columns)] < penalty).all(axis=0) & (
            own + best[columns, columns] < penalty)
        keep = (now < penalty).all(axis=0) & (own < penalty)
        for i in np.flatnonzero(fits):
            c = int(columns[i])
            grown = [*members, c]
            if keep[i]:
                found.append(tuple(grown))
                if limit is not None and len(found) > limit:
                    raise TooManyCandidates
            rest = columns[(columns >= later[c]) & finite[c, columns]]
            if len(rest):
                grow(grown, np.append(now[:, i], own[i]), rest)

    for c in range(count):
        rest = np.flatnonzero(finite[c] & (np.arange(count) >= later[c]))
        if len(rest):
            grow([c], np.zeros(1), rest)
    return found


def best_merges(costs: np.ndarray, dataset_of: np.ndarray, penalty: float = 0.5,
                time_limit: float | None = None,
                max_candidates: int = 300_000) -> list[tuple[int, ...]]:
    """Partition classes into sets to merge so that costs and nodes are least (AutoUniSeg, Eq. 10).

    The integer program is solved exactly, part by part: classes that no candidate connects do not
    influence each other.

    Args:
        costs: Pair costs of :func:`merge_costs`. Shape [C, C].
        dataset_of: Dataset of each class, non-decreasing. Shape [C].
        penalty: Cost of a node, lambda of Eq. (10); the paper has 0.5.
        time_limit: Seconds for each part of the program.
        max_candidates: Where more sets than this may be merged, which happens when heads hardly
            find anything and every merge is as good as any, only the cheapest partners of each
            class in each dataset are considered. That is said, since the solution may then not be
            the best of all.

    Returns:
        Sets of classes, at most one of each dataset in each; every class is in one.

    Raises:
        ValueError: Shapes do not fit, or the penalty is below 0.
        RuntimeError: The solver gave up before it had the optimum.
    """
    costs, dataset_of = np.asarray(costs, dtype=np.float64), np.asarray(dataset_of)
    if costs.shape != (len(dataset_of),) * 2 or (np.diff(dataset_of) < 0).any():
        raise ValueError(f'costs [C, C] and datasets in order [C] are needed, got {costs.shape} '
                         f'and {dataset_of.shape}')
    if not penalty >= 0:
        raise ValueError(f'penalty={penalty}: a number from 0 is needed')
    candidates = _candidates(costs, dataset_of, penalty, max_candidates)
    chosen: list[tuple[int, ...]] = []
    for part in _parts(candidates, len(dataset_of)):
        chosen += part if len(part) == 1 else _solve(part, costs, penalty, time_limit)
    return sorted(chosen)


def _candidates(costs: np.ndarray, dataset_of: np.ndarray, penalty: float,
                limit: int) -> list[tuple[int, ...]]:
    try:
        return candidate_merges(costs, dataset_of, penalty, limit)
    except TooManyCandidates:
        pass
    for partners in (8, 4, 2, 1):
        kept = np.full_like(costs, np.inf)
        for dataset in np.unique(dataset_of):
            columns = np.flatnonzero(dataset_of == dataset)
            order = np.argsort(costs[:, columns], axis=1, kind='stable')[:, :partners]
            rows = np.arange(len(costs))[:, None]
            kept[rows, columns[order]] = costs[rows, columns[order]]
        kept = np.maximum(kept, kept.T)  # both must be among the other's cheapest
        try:
            found = candidate_merges(kept, dataset_of, penalty, limit)
        except TooManyCandidates:
            continue
        logging.getLogger(__name__).warning(
            'more than %d sets of classes may be merged, so only the %d cheapest partner(s) of a '
            'class in each dataset are considered: the solution may not be the best. Are the '
            "heads trained? cost='relative' leaves classes alone that their own heads do not find",
            limit, partners)
        return found
    raise TooManyCandidates(f'more than {limit} sets of classes may be merged')


def _parts(candidates: Sequence[tuple[int, ...]], count: int) -> list[list[tuple[int, ...]]]:
    """Group candidates that share classes, directly or through others."""
    parent = list(range(count))

    def root(c: int) -> int:
        while parent[c] != c:
            parent[c] = parent[parent[c]]
            c = parent[c]
        return c

    for members in candidates:
        for c in members[1:]:
            parent[root(c)] = root(members[0])
    parts: dict[int, list[tuple[int, ...]]] = {}
    for members in candidates:
        parts.setdefault(root(members[0]), []).append(members)
    return list(parts.values())


def _solve(candidates: Sequence[tuple[int, ...]], costs: np.ndarray, penalty: float,
           time_limit: float | None) -> list[tuple[int, ...]]:
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array
    classes = sorted({c for members in candidates for c in members})
    position = {c: i for i, c in enumerate(classes)}
    rows = [position[c] for members in candidates for c in members]
    columns = [i for i, members in enumerate(candidates) for _ in members]
    # Each class is in exactly one set.
    matrix = csr_array((np.ones(len(rows)), (rows, columns)),
                       shape=(len(classes), len(candidates)))
    price = [costs[np.ix_(members, members)][np.triu_indices(len(members), 1)].sum() + penalty
             for members in candidates]
    options = {'mip_rel_gap': 0.0}
    if time_limit is not None:
        options['time_limit'] = time_limit
    result = milp(np.array(price), integrality=np.ones(len(candidates)), bounds=Bounds(0, 1),
                  constraints=LinearConstraint(matrix, 1, 1), options=options)
    if result.status != 0:
        raise RuntimeError(f'merging {len(classes)} classes with {len(candidates)} candidates: '
                           f'{result.message}')
    return [candidates[i] for i in np.flatnonzero(result.x > 0.5)]


def unify_by_merges(spaces: Sequence[LabelSpace],
                    merges: Sequence[Sequence[int]]) -> UnifiedLabelSpace:
    """Make a label space of sets of merged classes.

    Args:
        spaces: The datasets.
        merges: Positions of classes among all classes, as :func:`best_merges` returns them.
    """
    classes: list[Class] = [(s, c) for s, space in enumerate(spaces)
                            for c in range(space.num_classes)]
    members = [[classes[i] for i in sorted(merge)] for merge in merges]
    class_of_node = {space.name: np.full(len(members), -1, dtype=np.int64) for space in spaces}
    for node, merged in enumerate(members):
        for s, c in merged:
            class_of_node[spaces[s].name][node] = c
    return UnifiedLabelSpace(node_names(spaces, members), spaces, class_of_node)
