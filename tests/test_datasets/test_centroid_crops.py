"""Crops around objects: which ones plans and samplers ask for."""

from collections import Counter
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from mmseg_multids.datasets import MultiDataset, MultiDatasetSampler
from mmseg_multids.datasets.batch_sampler import CropScheduleBatchSampler
from mmseg_multids.datasets.centroids import CentroidIndex, ImageObjects
from mmseg_multids.datasets.plans import CentroidCrops, build_plan

from .test_centroids import CLASSES, made, of
from .test_multi_dataset import PIPELINE, write

PLAN = {'type': 'ratio', 'ratio': {'one': 1, 'two': 3}}


def plan_of(share, world=1):
    index = made()  # classes a, c and d have objects
    return build_plan(PLAN, {'one': 6, 'two': 4}, None, crop_size={'two': (8, 4)},
                      centroids={'two': CentroidCrops(index, Fraction(share))})


def drawn(share, count=1200, world=1, seed=3):
    plan = plan_of(share)
    return [plan.request(p, rank, world, seed) for p in range(count) for rank in range(world)]


@pytest.mark.parametrize('world', [1, 3])
def test_plans_draw_all_classes_equally_often(world):
    requests = [r for r in drawn(1, world=world) if r.dataset == 'two']
    assert len(requests) == 900 * world and all(r.centre is not None for r in requests)
    of_point = {}
    for image in range(4):
        of_point.update({(image, o.centre): o.class_id for o in made().objects_of(image)})
    counts = Counter(of_point[r.index, r.centre] for r in requests)
    assert counts.keys() == {0, 2, 3} and set(counts.values()) == {300 * world}
    # Each object of a class as often as the others, within one round.
    points = Counter((r.index, r.centre) for r in requests)
    for own in (0, 2):
        each = [n for point, n in points.items() if of_point[point] == own]
        assert len(each) == made().num_objects[own] and max(each) - min(each) <= 1


def test_processes_draw_different_objects():
    plan = plan_of(1)
    places = [p for p in range(400) if plan.slot(p, 3)[0] == 'two']
    index = CentroidIndex('two', 'train', CLASSES, [
        ImageObjects('i', np.zeros(997, int), np.array([[0, j] for j in range(997)]), 0)])
    plan.centroids['two'] = CentroidCrops(index, Fraction(1))
    found = [plan.request(p, rank, 3, 3).centre for p in places for rank in range(3)]
    assert len(set(found)) == len(found) == 900


@pytest.mark.parametrize('share', ['0', '1/4', '0.9'])
def test_the_share_of_crops_around_objects(share):
    requests = [r for r in drawn(share) if r.dataset == 'two']
    around = [r for r in requests if r.centre is not None]
    assert len(around) == int(900 * Fraction(share))
    # The rest walks through all images.
    counts = Counter(r.index for r in requests if r.centre is None)
    assert len(counts) == 4 and max(counts.values()) - min(counts.values()) <= 1
    # Evenly spread, however few: no long stretch without either kind.
    draws = sorted((plan_of(share).slot(p, 3)[1], r.centre is not None)
                   for p, r in enumerate(drawn(share)) if r.dataset == 'two')
    kinds = [kind for _, kind in draws[:100]]
    assert abs(sum(kinds) - 100 * Fraction(share)) <= 1


def test_other_datasets_and_crop_sizes_are_left_alone():
    plain = build_plan(PLAN, {'one': 6, 'two': 4}, None)
    for p, request in enumerate(drawn(1, 200)):
        other = plain.request(p, 0, 1, 3)
        assert request.dataset == other.dataset and request.seed == other.seed
        if request.dataset == 'one':
            assert request == other and request.crop_size is None
        else:
            assert request.crop_size == (8, 4)


def sampler_of(images, **options):
    return MultiDatasetSampler(images, seed=0, plan={'type': 'concat'}, **options)


def test_samplers_open_the_index_of_their_data(tmp_path):
    entries = [write(tmp_path, 'one', 5, 3), write(tmp_path, 'two', 3, 2)]
    images = MultiDataset(entries, pipeline=PIPELINE)
    path = str(tmp_path / 'two.npz')
    of(images, 'two').save(path)
    requests = list(islice(sampler_of(images, centroids={'two': path}), 80))
    assert {r.centre is not None for r in requests if r.dataset == 'two'} == {True}
    assert {r.centre for r in requests if r.dataset == 'one'} == {None}
    for request in requests[:8]:
        assert images[request]['inputs'].shape[1:] == (8, 8)
    half = list(islice(sampler_of(images, centroids={'two': {'path': path, 'share': 0.5}}), 80))
    around = [r.centre is not None for r in half if r.dataset == 'two']
    assert sum(around) == len(around) // 2
    for given, message in (
            ({'three': path}, "centroids names 'three', which is not in the mix"),
            ({'one': path}, 'does not fit dataset'),
            ({'two': {'path': path, 'share': 1.5}}, 'share=1.5'),
            ({'two': {'path': path, 'part': 1}}, 'the file of an index is needed'),
            ({'two': {'share': 1}}, 'the file of an index is needed')):
        with pytest.raises(ValueError, match=message):
            sampler_of(images, centroids=given)
    with pytest.raises(FileNotFoundError, match='build_centroids'):
        sampler_of(images, centroids={'two': str(tmp_path / 'none.npz')})
    with pytest.raises(ValueError, match="centroids names 'three', .* known: one, two"):
        sampler_of(images, centroids={'three': str(tmp_path / 'none.npz')})


def test_crop_sizes_of_each_dataset(tmp_path):
    entries = [write(tmp_path, 'one', 5, 3), write(tmp_path, 'two', 3, 2)]
    images = MultiDataset(entries, pipeline=PIPELINE)
    for request in islice(sampler_of(images, crop_size={'one': (4, 6)}), 10):
        shape = tuple(images[request]['inputs'].shape[1:])
        assert shape == ((4, 6) if request.dataset == 'one' else (8, 8))
    for size, message in (({'three': (4, 4)}, "crop_size names 'three'"),
                          ({'one': (4, 0)}, 'crop_size of one'), ((4,), 'crop_size of one')):
        with pytest.raises(ValueError, match=message):
            sampler_of(images, crop_size=size)


def test_schedules_with_crops_around_objects_and_sizes_of_each_dataset(tmp_path):
    entries = [write(tmp_path, 'one', 5, 3), write(tmp_path, 'two', 3, 2)]
    images = MultiDataset(entries, pipeline=PIPELINE)
    path = str(tmp_path / 'two.npz')
    of(images, 'two').save(path)
    sizes = {'one': (4, 8), 'two': (2, 6)}

    def schedule(sampler, given=sizes):
        return CropScheduleBatchSampler(sampler, batch_size=1, sizes=given, epochs=4,
                                        kind='coarse2fine+', epoch_images=8)

    batches = schedule(sampler_of(images, centroids={'two': path}))
    assert batches.schedule.sizes == [(4, 4), (8, 8)]
    seen = set()
    for iteration in range(len(batches)):
        step = batches.schedule.step_of_epoch(batches.schedule.epoch_at(iteration))
        batch = batches.batch(iteration)
        assert len(batch) == (4, 1)[step]
        for request in batch:
            assert request.crop_size == (sizes[request.dataset][step],) * 2
            assert (request.centre is None) == (request.dataset == 'one')
            seen.add((request.dataset, step))
    assert len(seen) == 4
    for given, message in (({'one': (4, 8)}, "'two' has no sizes"),
                           ({**sizes, 'three': (2, 4)}, "'three' is not in the mix"),
                           ({'one': (4, 8), 'two': (6,)}, "{'one': 2, 'two': 1} sizes")):
        with pytest.raises(ValueError, match=message):
            schedule(sampler_of(images), given)
