import time
import tracemalloc
from collections import Counter

import pytest

from mmseg_multids.datasets.plans import build_plan
from mmseg_multids.datasets.randomness import mix, permuted

SIZES = {'a': 30, 'b': 12, 'c': 7}
PLANS = [
    {'type': 'alternate'},
    {'type': 'alternate', 'first': 'b', 'interval': 3},
    {'type': 'mixed'},
    {'type': 'mixed', 'alpha': 0.5},
    {'type': 'concat'},
    {'type': 'ratio', 'ratio': {'a': 1, 'b': 2.5, 'c': 1}},
    {'type': 'ratio', 'alpha': 0.5},
]


@pytest.mark.parametrize('size', [1, 2, 3, 7, 64, 65, 1000])
def test_permuted_is_a_permutation(size):
    orders = [[permuted(i, size, key) for i in range(size)] for key in range(3)]
    assert all(sorted(order) == list(range(size)) for order in orders)
    if size >= 64:
        assert orders[0] != orders[1] != orders[2] != list(range(size))


def test_permutations_are_close_to_uniform():
    counts = Counter(permuted(0, 10, mix(7, key)) for key in range(5000))
    assert all(400 < counts[i] < 600 for i in range(10))


@pytest.mark.parametrize('cfg', PLANS)
@pytest.mark.parametrize('world_size', [1, 2, 4])
def test_ranks_draw_the_same_datasets_and_different_images(cfg, world_size):
    plan = build_plan(cfg, SIZES, 8)
    for position in range(300):
        requests = [plan.request(position, rank, world_size, 3) for rank in range(world_size)]
        assert len({r.dataset for r in requests}) == 1
        assert len({r.index for r in requests}) == world_size
        assert len({r.seed for r in requests}) == world_size


@pytest.mark.parametrize('cfg', PLANS)
@pytest.mark.parametrize('world_size', [1, 3])
def test_every_image_comes_once_in_each_epoch(cfg, world_size):
    plan = build_plan(cfg, SIZES, 8)
    draws = {name: {} for name in SIZES}
    for position in range(plan.period * 12):
        name, draw = plan.slot(position, 3)
        draws[name][draw] = [plan.request(position, rank, world_size, 3).index
                             for rank in range(world_size)]
    for name, size in SIZES.items():
        steps = -(-size // world_size)
        for first in range(0, len(draws[name]) - steps + 1, steps):
            times = Counter(i for d in range(first, first + steps) for i in draws[name][d])
            assert set(times) == set(range(size))
            assert sum(times.values()) - size < world_size


@pytest.mark.parametrize('interval', [1, 2, 3, 4, 5])
def test_alternate_has_exactly_t_batches_of_the_first_dataset(interval):
    plan = build_plan({'type': 'alternate', 'first': 'b', 'interval': interval}, SIZES, 4)
    names = [plan.request(p, 0, 1, 0).dataset for p in range(4 * (interval + 2) * 2)]
    assert names == (['b'] * 4 * interval + ['a'] * 4 + ['c'] * 4) * 2


def test_mixed_has_contiguous_groups_in_dataset_order():
    plan = build_plan({'type': 'mixed', 'counts': {'c': 1, 'a': 3, 'b': 2}}, SIZES, 6)
    assert [plan.request(p, 0, 1, 0).dataset for p in range(12)] == list('aaabbc' * 2)
    equal = build_plan({'type': 'mixed'}, SIZES, 8)
    assert equal.quota == {'a': 3, 'b': 3, 'c': 2}


def test_concat_is_uniform_over_the_union():
    plan = build_plan({'type': 'concat'}, SIZES, None)
    assert Counter(plan.request(p, 0, 1, 5).dataset for p in range(49)) == SIZES
    first = [plan.request(p, 0, 1, 5).dataset for p in range(49)]
    assert first != [plan.request(p, 0, 1, 5).dataset for p in range(49, 98)]


def test_ratio_counts_are_exact_per_block():
    plan = build_plan({'type': 'ratio', 'ratio': {'a': 1, 'b': 2.5, 'c': 1}}, SIZES, None)
    assert plan.quota == {'a': 2, 'b': 5, 'c': 2}
    assert Counter(plan.request(p, 0, 1, 5).dataset for p in range(90)) == {'a': 20, 'b': 50,
                                                                            'c': 20}


@pytest.mark.parametrize('alpha', [0.0, 0.5, 1.0])
def test_alpha_gives_shares_of_size_to_the_alpha(alpha):
    plan = build_plan({'type': 'ratio', 'alpha': alpha}, SIZES, None)
    total = sum(size ** alpha for size in SIZES.values())
    for name, size in SIZES.items():
        assert plan.quota[name] / plan.period == pytest.approx(size ** alpha / total, abs=1e-3)


def test_ten_million_images_and_a_late_position_cost_nothing():
    sizes = {'a': 10_000_000, 'b': 3}
    start = time.process_time()
    tracemalloc.start()
    plan = build_plan({'type': 'concat'}, sizes, None)
    for position in (0, 10 ** 6, 10 ** 12):
        plan.request(position, 3, 8, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000
    assert time.process_time() - start < 1


def test_samples_are_a_pure_function_of_their_arguments():
    sequence = [build_plan({'type': 'concat'}, SIZES, None).request(p, 1, 2, 11)[:3]
                for p in (0, 1, 1000)]
    # A change of these numbers makes interrupted runs resume with other samples.
    assert sequence == EXPECTED


EXPECTED = [('a', 5, 43445770928200583),
            ('a', 17, 6415988464384979381),
            ('c', 5, 5824069497240209350)]


@pytest.mark.parametrize(('cfg', 'batch_size', 'words'), [
    ({'type': 'mixed'}, 2, "'c' would get 0 samples"),
    ({'type': 'mixed', 'alpha': 4.0}, 8, r'would get 0 samples.*sizes.*30.*weights'),
    ({'type': 'mixed', 'counts': {'a': 8}}, 8, "'b' would get 0"),
    ({'type': 'mixed', 'counts': {'a': 1, 'b': 1, 'c': 1}}, 8, 'add up to 3, the batch size is 8'),
    ({'type': 'ratio', 'ratio': {'a': 1, 'b': 1}}, 8, 'weight above 0'),
    ({'type': 'ratio', 'alpha': 20}, 8, 'would get 0 samples'),
    ({'type': 'ratio'}, 8, 'ratio={name: weight} or alpha'),
    ({'type': 'alternate', 'counts': {'a': 0}}, 8, "'a' would get 0"),
    ({'type': 'alternate', 'first': 'x', 'interval': 2}, 8, "first names 'x'.*known: a, b, c"),
    ({'type': 'alternate'}, None, 'needs the batch size'),
    ({'type': 'magic'}, 8, "'magic'; allowed: alternate, mixed, concat, ratio"),
    ({'type': 'concat', 'speed': 3}, 8, 'speed'),
])
def test_plans_that_cannot_work_are_refused(cfg, batch_size, words):
    with pytest.raises(ValueError, match=words):
        build_plan(cfg, SIZES, batch_size)


def test_empty_datasets_are_refused():
    with pytest.raises(ValueError, match="'b' is empty"):
        build_plan({'type': 'concat'}, {'a': 3, 'b': 0}, None)
