import random
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from PIL import Image

from mmseg_multids.datasets import MultiDataset, MultiDatasetSampler, SampleRequest
from mmseg_multids.datasets.data_root import resolve_path
from mmseg_multids.datasets.metainfo import label_spaces_from_cfg
from mmseg_multids.registry import TRANSFORMS

PIPELINE = [
    {'type': 'LoadImageFromFile'}, {'type': 'LoadLabelMap'},
    {'type': 'RandomScale', 'ratio_range': (0.5, 2.0)},
    {'type': 'PlannedCrop', 'crop_size': (8, 8)},
    {'type': 'RandomFlip', 'prob': 0.5}, {'type': 'PhotoMetricDistortion'},
    {'type': 'PackSegInputs'},
]
PLAIN = [{'type': 'LoadImageFromFile'}, {'type': 'LoadLabelMap'}, {'type': 'PackSegInputs'}]
CLASSES = {'one': ('a', 'b', 'c'), 'two': ('x', 'y')}


def write(root: Path, name: str, count: int, classes: int, size=(12, 16), **kwargs) -> dict:
    rng = np.random.default_rng(count)
    for kind in ('images', 'labels'):
        (root / name / kind).mkdir(parents=True)
    for i in range(count):
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(
            root / name / 'images' / f'{i}.png')
        Image.fromarray(rng.integers(0, classes, size, dtype=np.uint8)).save(
            root / name / 'labels' / f'{i}.png')
    return {'name': name, 'type': 'BaseSegDataset', 'data_root': str(root / name),
            'img_suffix': '.png', 'seg_map_suffix': '.png',
            'data_prefix': {'img_path': 'images', 'seg_map_path': 'labels'},
            'metainfo': {'classes': CLASSES.get(name, ('a', 'b'))}, **kwargs}


@pytest.fixture
def entries(tmp_path):
    return [write(tmp_path, 'one', 5, 3), write(tmp_path, 'two', 3, 2)]


def states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


def test_a_request_is_a_pure_function_and_leaves_random_states_alone(entries):
    dataset = MultiDataset(entries, pipeline=PIPELINE)
    before = states()
    first = dataset[SampleRequest('two', 1, 77)]
    assert states() == before
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    again = dataset[SampleRequest('two', 1, 77)]
    other = dataset[SampleRequest('two', 1, 78)]
    assert torch.equal(first['inputs'], again['inputs'])
    assert not torch.equal(first['inputs'], other['inputs'])
    assert first['data_samples'].metainfo['dataset'] == 'two'
    assert first['data_samples'].metainfo['sample_name'] == '1'


def test_ints_index_the_concatenation(entries):
    dataset = MultiDataset(entries, pipeline=PLAIN)
    assert len(dataset) == 8 and dataset.sizes == {'one': 5, 'two': 3}
    names = [(s['data_samples'].metainfo['dataset'], s['data_samples'].metainfo['sample_name'])
             for s in (dataset[i] for i in range(8))]
    assert names == [('one', str(i)) for i in range(5)] + [('two', str(i)) for i in range(3)]
    assert dataset[-1]['data_samples'].metainfo['dataset'] == 'two'
    with pytest.raises(IndexError):
        dataset[8]


def test_labels_keep_the_datasets_own_ids(entries, tmp_path):
    dataset = MultiDataset(entries, pipeline=PLAIN)
    stored = np.array(Image.open(tmp_path / 'two' / 'labels' / '2.png'))
    np.testing.assert_array_equal(dataset[7]['data_samples'].gt_sem_seg.data[0], stored)


def test_each_dataset_has_its_own_label_rules(tmp_path):
    entries = [write(tmp_path, 'one', 2, 4, reduce_zero_label=True), write(tmp_path, 'two', 2, 2)]
    dataset = MultiDataset(entries, pipeline=PLAIN)
    stored = np.array(Image.open(tmp_path / 'one' / 'labels' / '0.png')).astype(int)
    expected = np.where(stored == 0, 255, stored - 1)
    np.testing.assert_array_equal(dataset[0]['data_samples'].gt_sem_seg.data[0], expected)
    assert set(np.unique(dataset[2]['data_samples'].gt_sem_seg.data)) <= {0, 1}


def test_the_versions_of_test_time_augmentation_are_stamped(entries):
    pipeline = [{'type': 'LoadImageFromFile'}, {'type': 'TestTimeAug', 'transforms': [
        [{'type': 'RandomFlip', 'prob': p, 'direction': 'horizontal'} for p in (0.0, 1.0)],
        [{'type': 'LoadLabelMap'}], [{'type': 'PackSegInputs'}]]}]
    samples = MultiDataset(entries, pipeline=pipeline, test_mode=True)[6]['data_samples']
    assert [s.metainfo['dataset'] for s in samples] == ['two', 'two']


def test_metainfo_is_plain_python(entries):
    meta = MultiDataset(entries, pipeline=PLAIN).metainfo
    assert meta['classes'] == ['one/a', 'one/b', 'one/c', 'two/x', 'two/y']
    assert meta['datasets']['two']['classes'] == ['x', 'y']
    assert MultiDataset(entries[1:], pipeline=PLAIN).metainfo['classes'] == ['x', 'y']


@pytest.mark.parametrize('workers', [0, 2])
def test_samples_do_not_depend_on_workers(entries, workers):
    dataset = MultiDataset(entries, pipeline=PIPELINE)

    def first_batches(num_workers):
        sampler = MultiDatasetSampler(dataset, seed=3, plan={'type': 'mixed'}, batch_size=4)
        loader = torch.utils.data.DataLoader(dataset, batch_size=4, sampler=sampler,
                                             num_workers=num_workers, collate_fn=pseudo_collate)
        iterator = iter(loader)
        return [torch.stack(next(iterator)['inputs']) for _ in range(5)]

    for ours, expected in zip(first_batches(workers), first_batches(0)):
        assert torch.equal(ours, expected)


def test_skipping_equals_drawing(entries):
    dataset = MultiDataset(entries, pipeline=PLAIN)
    whole = MultiDatasetSampler(dataset, seed=1, plan={'type': 'concat'})
    later = MultiDatasetSampler(dataset, seed=1, plan={'type': 'concat'})
    later.skip(20)
    drawn = [r for r, _ in zip(whole, range(30))]
    assert [r for r, _ in zip(later, range(10))] == drawn[20:]


def test_epoch_based_passes_follow_each_other(entries):
    dataset = MultiDataset(entries, pipeline=PLAIN)
    kwargs = {'seed': 1, 'plan': {'type': 'mixed'}, 'batch_size': 4}
    sampler = MultiDatasetSampler(dataset, epoch_batches=3, **kwargs)
    endless = [r for r, _ in zip(MultiDatasetSampler(dataset, **kwargs), range(24))]
    passes = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        assert len(sampler) == 12
        passes += list(sampler)
    assert passes == endless


def test_the_sampler_takes_one_batch_size_only(entries):
    dataset = MultiDataset(entries, pipeline=PLAIN)
    sampler = MultiDatasetSampler(dataset, seed=0, plan={'type': 'mixed'}, batch_size=4)
    with pytest.raises(ValueError, match='batch_size=6, its sampler batch_size=4'):
        sampler.bind(6)
    unbound = MultiDatasetSampler(dataset, seed=0, plan={'type': 'alternate'})
    with pytest.raises(ValueError, match='needs the batch size'):
        next(iter(unbound))
    with pytest.raises(TypeError, match='needs a MultiDataset, got list'):
        MultiDatasetSampler([1, 2])


def test_mmengine_builds_the_loader(entries):
    loader = Runner.build_dataloader({
        'batch_size': 2, 'num_workers': 0, 'sampler': {'type': 'MultiDatasetSampler',
                                                       'plan': {'type': 'mixed'}, 'batch_size': 2},
        'dataset': {'type': 'MultiDataset', 'datasets': entries, 'pipeline': PLAIN}}, seed=0)
    batch = next(iter(loader))
    assert [s.metainfo['dataset'] for s in batch['data_samples']] == ['one', 'two']


# ------------------------------------------------------------------------------ bad input


def damage(tmp_path, what):
    image, label = tmp_path / 'two' / 'images' / '0.png', tmp_path / 'two' / 'labels' / '0.png'
    if what == 'image':
        image.write_bytes(image.read_bytes()[:50])
    elif what == 'label':
        label.write_bytes(label.read_bytes()[:40])
    elif what == 'missing':
        label.unlink()
    elif what == 'size':
        Image.fromarray(np.zeros((11, 16), np.uint8)).save(label)
    elif what == 'id':
        Image.fromarray(np.full((12, 16), 7, np.uint8)).save(label)
    elif what == '16bit':
        Image.fromarray(np.full((12, 16), 256, np.uint16)).save(label)
    elif what == 'colour':
        Image.fromarray(np.zeros((12, 16, 3), np.uint8)).save(label)


@pytest.mark.parametrize(('what', 'words'), [
    ('image', r'two.*images/0\.png.*could not be prepared'),
    ('label', r'two.*labels/0\.png.*could not be prepared'),
    ('missing', r'two.*labels/0\.png.*FileNotFound'),
    ('size', r'labels/0\.png is 16x11 pixels, its image .*images/0\.png is 16x12'),
    ('id', r'dataset two: label map .*labels/0\.png holds the id 7; allowed are 0 to 1 and 255'),
    ('16bit', r'labels/0\.png holds the id 256; allowed are 0 to 255'),
    ('colour', r'labels/0\.png has shape \(12, 16, 3\)'),
])
@pytest.mark.parametrize('as_request', [False, True])
def test_bad_files_are_named(entries, tmp_path, what, words, as_request):
    damage(tmp_path, what)
    dataset = MultiDataset(entries, pipeline=PLAIN)
    with pytest.raises(ValueError, match=words):
        dataset[SampleRequest('two', 0, 1) if as_request else 5]


def test_16_bit_maps_with_small_ids_work(entries, tmp_path):
    label = tmp_path / 'two' / 'labels' / '0.png'
    Image.fromarray(np.full((12, 16), 1, np.uint16)).save(label)
    assert MultiDataset(entries, pipeline=PLAIN)[5]['data_samples'].gt_sem_seg.data.unique() == 1


@pytest.mark.parametrize(('change', 'words'), [
    ({'name': 'one'}, "'one' is named 2 times"),
    ({'name': 'gloss'}, "contains 'loss'"),
    ({'name': 'unified'}, 'reserved'),
    ({'name': 'a/b'}, 'only letters, digits'),
    ({'name': ''}, 'needs a `name`'),
    ({'type': 'Nothing'}, "'Nothing' is not registered"),
    ({'metainfo': {'classes': ('only',)}}, "one class \\('only'\\)"),
    ({'metainfo': {'classes': tuple(map(str, range(256)))}}, '256 classes; at most 255'),
    ({'metainfo': None}, 'no classes'),
])
def test_bad_entries_are_refused(entries, change, words):
    entries[1].update(change)
    with pytest.raises(ValueError, match=words):
        MultiDataset(entries, pipeline=PLAIN)


def test_no_dataset_is_refused():
    with pytest.raises(ValueError, match='empty'):
        label_spaces_from_cfg([])


def test_an_empty_dataset_is_refused(entries, tmp_path):
    for path in (tmp_path / 'two' / 'images').iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="dataset 'two' is empty"):
        MultiDataset(entries, pipeline=PLAIN)


def test_an_unknown_split_lists_the_known_ones(entries):
    entries[0]['splits'] = {'train': {}, 'val': {}}
    with pytest.raises(ValueError, match="no split 'test'; known: train, val"):
        MultiDataset(entries, split='test', pipeline=PLAIN)


def test_no_pipeline_is_refused(entries):
    with pytest.raises(ValueError, match="'one' has no pipeline"):
        MultiDataset(entries)


def test_a_missing_data_root_says_what_was_looked_for(entries, monkeypatch, tmp_path):
    entries[0]['data_root'] = 'nowhere'
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    with pytest.raises(FileNotFoundError,
                       match=r"(?s)dataset 'one'.*looked for .*nowhere.*data/nowhere.*Set "
                             'MULTIDS_DATA_ROOT'):
        MultiDataset(entries, pipeline=PLAIN)


@pytest.mark.parametrize('where', ['root', 'data', '.'])
@pytest.mark.parametrize('kind', ['file', 'folder'])
def test_files_are_looked_for_where_datasets_are(monkeypatch, tmp_path, where, kind):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('MULTIDS_DATA_ROOT', 'root')
    place = Path(where, 'street', 'one.png')
    (place if kind == 'folder' else place.parent).mkdir(parents=True)
    if kind == 'file':
        place.write_bytes(b'')
    assert Path(resolve_path('street/one.png')) == place
    assert resolve_path(place.absolute()) == str(place.absolute())


def test_a_missing_file_says_where_it_was_looked_for(monkeypatch, tmp_path):
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r'looked for .*/a\.png, .*data/a\.png, .*'):
        resolve_path('a.png')


def test_splits_beside_extends_stand_for_all(entries):
    entry = {**entries[0], 'splits': {'train': {}, 'val': {}}}
    with pytest.raises(ValueError, match="no split 'train'; known: val.*beside `extends`"):
        MultiDataset([{'extends': entry, 'splits': {'val': {}}}], split='train', pipeline=PLAIN)


@pytest.mark.parametrize(('name', 'words'), [('nowhere', 'does not exist'), ('a.txt', 'is a file')])
def test_a_missing_absolute_root_says_no_more_than_that(entries, tmp_path, name, words):
    (tmp_path / 'a.txt').write_text('')
    entries[0]['data_root'] = str(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=f"{name}': it {words}") as error:
        MultiDataset(entries, pipeline=PLAIN)
    assert not any(word in str(error.value) for word in ('looked for', 'data/', 'MULTIDS_'))


def test_relative_roots_are_found_through_the_variable(entries, monkeypatch, tmp_path):
    entries[0]['data_root'] = 'one'
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    assert len(MultiDataset(entries, pipeline=PLAIN)) == 8


def test_unknown_dataset_in_a_request(entries):
    with pytest.raises(ValueError, match="'three'; known: one, two"):
        MultiDataset(entries, pipeline=PLAIN)[SampleRequest('three', 0, 0)]


def test_soft_labels_that_the_pipeline_drops_are_refused_in_training(entries, tmp_path):
    dataset = MultiDataset(entries[:1], pipeline=PLAIN)
    info = dataset.datasets['one'].get_data_info

    def soft(index):
        np.savez(tmp_path / 'soft.npz', ids=np.zeros((1, 12, 16), np.uint8),
                 scores=np.ones((1, 12, 16), np.uint8))
        return {**info(index), 'soft_path': str(tmp_path / 'soft.npz')}

    dataset.datasets['one'].get_data_info = soft
    with pytest.raises(ValueError, match='one has soft=True.* LoadSoftLabel .* PackSoftSegInputs'):
        dataset[SampleRequest('one', 0, 1)]
    assert 'gt_sem_seg' in dataset[0]['data_samples']  # validation compares with hard labels
    steps = dataset.datasets['one'].pipeline.transforms
    steps[2:] = [TRANSFORMS.build({'type': 'LoadSoftLabel'}),
                 TRANSFORMS.build({'type': 'PackSoftSegInputs'})]
    assert 'gt_soft_ids' in dataset[SampleRequest('one', 0, 1)]['data_samples']


def test_an_image_in_place_of_another_has_no_point_of_that(entries):
    dataset = MultiDataset(entries[:1], pipeline=PLAIN)
    steps, seen = dataset.datasets['one'].pipeline.transforms, []

    def declines_once(results):
        seen.append(results.get('centre'))
        return results if len(seen) > 1 else None

    steps.insert(2, declines_once)
    dataset[SampleRequest('one', 0, 1, centre=(3, 4))]
    assert seen == [(3, 4), None]
