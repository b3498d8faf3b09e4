"""Batches of a crop schedule against a loop that draws image after image."""

from collections import Counter

import pytest

from mmseg_multids.datasets import CropScheduleBatchSampler, MultiDatasetSampler

from .test_multi_dataset import MultiDataset, write


@pytest.fixture
def images(tmp_path):
    return MultiDataset([write(tmp_path, 'one', 5, 3), write(tmp_path, 'two', 3, 2)], pipeline=[])


def made(images, plan, **options):
    sampler = MultiDatasetSampler(images, seed=3, plan=plan)
    sampler.bind(2)
    return CropScheduleBatchSampler(sampler, 2, **{
        'sizes': (8, 16), 'epochs': 7, 'epoch_images': 12, 'max_batch_size': 6, **options})


@pytest.mark.parametrize('plan', [{'type': 'concat'}, {'type': 'ratio', 'ratio': {
    'one': 1, 'two': 2}}, {'type': 'mixed'}, {'type': 'alternate'},
    {'type': 'alternate', 'first': 'one', 'interval': 2}])
def test_every_image_comes_as_often_as_in_a_loop(images, plan):
    """Draws of a dataset go on where the batches before have stopped, whatever their size."""
    batches = made(images, plan)
    seen, sizes = {'one': [], 'two': []}, []
    for t in range(len(batches)):
        found = batches.batch(t)
        shape = batches.schedule.shape_at(t)
        assert len(found) == shape.batch_size and all(r.crop_size == shape.crop_size
                                                      for r in found)
        names = [r.dataset for r in found]
        sizes.append(len(found))
        if plan['type'] == 'mixed':
            assert Counter(names)['one'] == Counter(names)['two'] == len(found) // 2
        if plan['type'] == 'alternate':
            cycle = ['one', 'one', 'two'] if 'interval' in plan else ['one', 'two']
            assert set(names) == {cycle[t % len(cycle)]}
        for request in found:
            seen[request.dataset].append(request.index)
    assert set(sizes) == {2, 6}
    for name, count in (('one', 5), ('two', 3)):
        if plan['type'] in ('mixed', 'alternate'):
            # Epochs of a dataset: every image once, then every image once again.
            for start in range(0, len(seen[name]) - count, count):
                assert sorted(seen[name][start:start + count]) == list(range(count)), start
        else:
            spread = Counter(seen[name])
            assert max(spread.values()) - min(spread.values()) <= 2


def test_it_goes_on_from_any_batch(images):
    batches = made(images, {'type': 'mixed'})
    whole = [batches.batch(t) for t in range(12)]
    batches.sampler.position = 5
    rest = iter(batches)
    assert [next(rest) for _ in range(7)] == whole[5:12]
    seeds = [r.seed for batch in whole for r in batch]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize(('plan', 'share', 'expected'), [
    ({'type': 'ratio', 'ratio': {'one': 1, 'two': 7}}, 0.5, 2975 / 2 * 8),
    ({'type': 'ratio', 'ratio': {'one': 1, 'two': 1}}, 0.5, 2975),
    ({'type': 'ratio', 'ratio': {'one': 2, 'two': 3}}, 2, 2 * 2975 * 2.5),
    ({'type': 'concat'}, 1, 2975 + 38000), ({'type': 'mixed'}, 0.1, 297.5 * 2),
    ({'type': 'alternate', 'first': 'one', 'interval': 3}, 1, 2975 * 4 / 3)])
def test_an_epoch_is_a_part_of_one_datasets_images(images, plan, share, expected):
    """Section 4.3: half of the real images and as many pseudo labels as the ratio says."""
    sampler = MultiDatasetSampler(images, seed=3, plan=plan)
    sampler.bind(16)
    sampler.sizes = {'one': 2975, 'two': 38000}
    batches = CropScheduleBatchSampler(sampler, 16, (8, 16), 3, 'constant', epoch_of={'one': share})
    assert abs(batches.schedule.epoch_images - expected) <= 0.5
    drawn = Counter(r.dataset for t in range(*batches.schedule.span(1)) for r in batches.batch(t))
    # An epoch ends with a batch, and a cycle of batches may go beyond it.
    assert abs(drawn['one'] - share * 2975) <= (48 if plan['type'] == 'alternate' else 16)


def test_processes_share_an_epoch(images, monkeypatch):
    monkeypatch.setattr('mmseg_multids.datasets.sampler.get_dist_info', lambda: (1, 4))
    batches = made(images, {'type': 'ratio', 'ratio': {'one': 1, 'two': 7}}, epoch_images=None,
                   epoch_of={'one': 2})
    assert batches.schedule.epoch_images == 2 * 5 * 8 // 4


@pytest.mark.parametrize(('options', 'message'), [
    ({'epoch_of': {'one': 0.5}}, 'epoch_images=12; remove one of both'),
    ({'epoch_images': None, 'epoch_of': {'three': 0.5}}, "names 'three'.*known: one, two"),
    ({'epoch_images': None, 'epoch_of': {}}, 'one dataset of the mix'),
    ({'epoch_images': None, 'epoch_of': {'one': 1, 'two': 1}}, 'one dataset of the mix'),
    ({'epoch_images': None, 'epoch_of': {'one': 0}}, 'above 0 is needed'),
    ({'epoch_images': None, 'epoch_of': {'one': None}}, 'above 0 is needed')])
def test_epochs_of_no_dataset_are_refused(images, options, message):
    with pytest.raises(ValueError, match=message):
        made(images, {'type': 'concat'}, **options)


def test_what_does_not_fit_is_refused(images):
    with pytest.raises(TypeError, match='needs a MultiDatasetSampler, got list'):
        CropScheduleBatchSampler([], 2, (8, 16), 3)
    sampler = MultiDatasetSampler(images, seed=3, plan={'type': 'concat'}, crop_size=(8, 8))
    with pytest.raises(ValueError, match=r'the sampler has crop_size=\(8, 8\)'):
        CropScheduleBatchSampler(sampler, 2, (8, 16), 3)
    with pytest.raises(ValueError, match='add up to 2, the batch size is 6'):
        made(images, {'type': 'mixed', 'counts': {'one': 1, 'two': 1}})
