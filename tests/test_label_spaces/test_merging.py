"""The integer program of AutoUniSeg's Appendix B against brute force."""

from itertools import combinations

import numpy as np
import pytest

from mmseg_multids.label_spaces import LabelSpace
from mmseg_multids.label_spaces.merging import (
    best_merges,
    candidate_merges,
    head_affinities,
    merge_costs,
    unify_by_merges,
)


def partitions(items):
    if not items:
        yield []
        return
    first, *rest = items
    for size in range(len(rest) + 1):
        for others in combinations(rest, size):
            left = [i for i in rest if i not in others]
            for tail in partitions(left):
                yield [(first, *others), *tail]


def price(partition, costs, penalty):
    return penalty * len(partition) + sum(
        costs[i, j] for part in partition for i, j in combinations(part, 2))


def random_costs(rng, sizes, low=-0.2):
    dataset_of = np.repeat(np.arange(len(sizes)), sizes)
    costs = rng.uniform(low, 1.2, (len(dataset_of),) * 2)
    costs = (costs + costs.T) / 2
    costs[rng.uniform(size=costs.shape) < 0.1] = np.inf
    costs = np.maximum(costs, costs.T)
    costs[dataset_of[:, None] == dataset_of] = np.inf
    return costs, dataset_of


@pytest.mark.parametrize('seed', range(12))
@pytest.mark.parametrize('sizes', [(3, 3), (2, 3, 2), (2, 2, 2, 2), (1, 4, 3)])
def test_the_optimum_is_that_of_brute_force(seed, sizes):
    costs, dataset_of = random_costs(np.random.default_rng(seed), sizes)
    best = best_merges(costs, dataset_of, 0.5)
    assert sorted(c for part in best for c in part) == list(range(sum(sizes)))
    assert all(len({dataset_of[c] for c in part}) == len(part) for part in best)
    expected = min(price(p, costs, 0.5) for p in partitions(list(range(sum(sizes)))))
    assert price(best, costs, 0.5) == pytest.approx(expected)


def test_a_set_is_dropped_only_where_splitting_off_a_class_is_no_worse():
    rng = np.random.default_rng(3)
    costs, dataset_of = random_costs(rng, (3, 3, 3))
    kept = set(candidate_merges(costs, dataset_of, 0.5))
    for size in (2, 3):
        for part in combinations(range(9), size):
            if len({dataset_of[c] for c in part}) < size:
                continue
            inner = costs[np.ix_(part, part)].copy()
            np.fill_diagonal(inner, 0)
            useful = np.isfinite(inner).all() and (inner.sum(axis=1) < 0.5).all()
            assert (part in kept) == useful


A, B = LabelSpace('a', ['road', 'car']), LabelSpace('b', ['street', 'auto', 'sky'])


def cross():
    return {('a', 'a'): np.diag([0.9, 0.8]), ('b', 'b'): np.diag([0.8, 0.7, 0.1]),
            ('a', 'b'): np.array([[0.85, 0.0, 0.0], [0.0, 0.6, 0.0]]),
            ('b', 'a'): np.array([[0.75, 0.0], [0.0, 0.6], [0.0, 0.0]])}


def test_costs_are_what_the_other_heads_lose():
    """Eq. (11), as a loop."""
    given, found = cross(), merge_costs(cross(), [A, B])
    for i in range(2):
        for j in range(3):
            expected = (given['a', 'a'][i, i] - given['a', 'b'][i, j]
                        + given['b', 'b'][j, j] - given['b', 'a'][j, i])
            assert found[i, 2 + j] == found[2 + j, i] == pytest.approx(expected)
    assert np.isinf(found[:2, :2]).all() and np.isinf(found[2:, 2:]).all()
    relative = merge_costs(given, [A, B], 'relative')
    assert relative[0, 2] == pytest.approx(0.05 / 0.9 + 0.05 / 0.8)


def test_poorly_learned_classes_merge_by_the_absolute_cost_alone():
    given = cross()
    given['a', 'a'] = np.diag([0.9, 0.05])
    given['a', 'b'][1] = 0
    given['b', 'a'][1] = 0
    absolute, relative = (best_merges(merge_costs(given, [A, B], cost), [0, 0, 1, 1, 1])
                          for cost in ('absolute', 'relative'))
    assert (1, 4) in absolute and (1,) in relative and (4,) in relative


def test_classes_without_pixels_stay_alone():
    given = cross()
    given['a', 'a'][1, 1] = np.nan
    given['a', 'b'][1] = np.nan
    merges = best_merges(merge_costs(given, [A, B]), [0, 0, 1, 1, 1])
    assert (1,) in merges and (0, 2) in merges
    space = unify_by_merges([A, B], merges)
    assert space.nodes[0] == 'road' and space.class_of_node('b')[0] == 0
    assert space.num_nodes == 4


def test_affinities_equal_the_loop():
    given = cross()
    given['a', 'b'][1, 2] = np.nan
    found = head_affinities(given, [A, B])
    spaces = [A, B]
    classes = [(s, c) for s in range(2) for c in range(spaces[s].num_classes)]
    for i, (s, c) in enumerate(classes):
        for j, (t, d) in enumerate(classes):
            expected = 0.0
            if s != t:
                a, b = spaces[s].name, spaces[t].name
                expected = (np.nan_to_num(given[a, b][c, d]) + np.nan_to_num(given[b, a][d, c])) / 2
            assert found[i, j] == pytest.approx(expected)
    assert found.max() > 0


@pytest.mark.parametrize(('change', 'words'), [
    (lambda g: g.pop(('a', 'b')), r'cross_iou lacks \(a, b\)'),
    (lambda g: g.update({('a', 'b'): np.zeros((2, 2))}), r'shape \(2, 2\), expected \(2, 3\)'),
    (lambda g: g.update({('b', 'b'): np.diag([80.0, 70, 10])}), 'to 80; IoU is from 0 to 1')])
def test_bad_matrices_are_refused(change, words):
    given = cross()
    change(given)
    with pytest.raises(ValueError, match=words):
        merge_costs(given, [A, B])


def test_bad_arguments():
    with pytest.raises(ValueError, match="cost='log': allowed are absolute, relative"):
        merge_costs(cross(), [A, B], 'log')
    with pytest.raises(ValueError, match='penalty=-1'):
        best_merges(np.zeros((2, 2)), [0, 1], -1)
    with pytest.raises(ValueError, match='datasets in order'):
        best_merges(np.zeros((2, 2)), [1, 0])


def test_heads_that_find_nothing_end_in_time_and_say_so(caplog):
    """Every merge is as good as any: 20^5 sets; each class still has at most one partner."""
    dataset_of = np.repeat(np.arange(5), 20)
    costs = np.where(dataset_of[:, None] == dataset_of, np.inf, 0.0)
    found = best_merges(costs, dataset_of, 0.5, max_candidates=2000)
    assert 'the solution may not be the best' in caplog.text
    assert sorted(c for members in found for c in members) == list(range(100))
    assert len(found) < 100
    assert all(len(set(dataset_of[list(members)])) == len(members) for members in found)
