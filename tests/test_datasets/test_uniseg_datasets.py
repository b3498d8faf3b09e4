"""The datasets of the UniSeg paper: folders, encodings, class lists, mixes, Table A-3."""

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.datasets import CityscapesDataset
from PIL import Image

from mmseg_multids.datasets import MultiDataset, label_space_from_cfg, label_spaces_from_cfg
from mmseg_multids.datasets.camvid_full import CamVidMSegDataset
from mmseg_multids.label_spaces import build_label_space, normalise_name

from ..miniature import DATASETS, make_all, make_miniature

TRAINED = ['cityscapes', 'idd', 'bdd100k', 'mapillary']
UNSEEN = ['kitti', 'wilddash', 'camvid_mseg']
NAMES = ['idd', 'mapillary', 'kitti', 'wilddash', 'wilddash2', 'camvid_mseg']
PLAIN = [{'type': 'LoadImageFromFile'}, {'type': 'LoadLabelMap'}, {'type': 'PackSegInputs'}]
STOCK = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}, {'type': 'PackSegInputs'}]


def entry_of(repo, name):
    return Config.fromfile(repo / 'configs' / '_base_' / 'datasets' / f'{name}.py')[name]


def labels_of(sample):
    return sample['data_samples'].gt_sem_seg.data[0].numpy()


def class_ids(stored, layout):
    """The slow way: ids or colours of a file to class ids, pixel by pixel."""
    pixels = stored.reshape(-1, stored.shape[-1]) if stored.ndim == 3 else stored.reshape(-1, 1)
    known = layout.stored or range(layout.num_classes)
    table = {tuple(np.atleast_1d(value).tolist()): i for i, value in enumerate(known)}
    ids = [table.get(tuple(pixel), 255) for pixel in pixels.tolist()]
    return np.array(ids).reshape(stored.shape[:2])


@pytest.mark.parametrize('pipeline', [PLAIN, STOCK], ids=['LoadLabelMap', 'LoadAnnotations'])
@pytest.mark.parametrize('name', NAMES)
def test_stored_ids_and_colours_become_classes(repo, tmp_path, monkeypatch, name, pipeline):
    if name == 'camvid_mseg' and pipeline is STOCK:
        pytest.skip('LoadAnnotations reads no colours')
    make_miniature(tmp_path, name, images=2)
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    layout = DATASETS[name]
    for split in ('train', 'val', 'test'):
        dataset = MultiDataset([entry_of(repo, name)], split=split, pipeline=pipeline)
        assert dataset.sizes == {name: 2}
        for i in range(2):
            sample = dataset[i]
            assert sample['inputs'].shape == (3, *layout.size)
            stored = np.array(Image.open(dataset.get_data_info(i)['seg_map_path']))
            expected = class_ids(stored, layout)
            np.testing.assert_array_equal(labels_of(sample), expected)
            assert set(np.unique(expected)) == {*layout.ids.tolist(), 255}


@pytest.mark.parametrize(('name', 'known'), [
    ('idd', {0: 'road', 1: 'drivable fallback', 3: 'non-drivable fallback', 8: 'autorickshaw',
             12: 'vehicle fallback', 17: 'billboard', 21: 'obs-str-bar-fallback', 25: 'sky'}),
    ('mapillary', {0: 'Bird', 13: 'Road', 20: 'Bicyclist', 50: 'Traffic Sign (Front)',
                   64: 'Ego Vehicle'}),
    ('camvid_mseg', {0: 'building', 1: 'vegetation', 8: 'pole', 10: 'bicyclist'}),
])
def test_class_lists(repo, name, known):
    space = label_space_from_cfg(entry_of(repo, name))
    assert space.num_classes == DATASETS[name].num_classes
    assert {i: space.classes[i] for i in known} == known
    assert len(set(space.palette)) == space.num_classes


def test_idd_has_17_stuff_and_9_object_classes(repo):
    """UniSeg, section 4.1."""
    objects = {'person', 'rider', 'motorcycle', 'bicycle', 'autorickshaw', 'car', 'truck', 'bus',
               'vehicle fallback'}
    classes = set(label_space_from_cfg(entry_of(repo, 'idd')).classes)
    assert objects <= classes and len(classes - objects) == 17


@pytest.mark.parametrize('name', ['kitti', 'wilddash', 'wilddash2'])
def test_test_sets_with_the_classes_of_cityscapes(repo, name):
    space = label_space_from_cfg(entry_of(repo, name))
    assert space.classes == tuple(CityscapesDataset.METAINFO['classes'])
    assert [list(c) for c in space.palette] == CityscapesDataset.METAINFO['palette']


def write_labels(root, name, values):
    """Write one image with these ids or colours in each of its two rows."""
    folder = make_miniature(root, name, images=1)
    layout = DATASETS[name]
    split, (images, labels) = next(iter(layout.splits.items()))
    prefix = layout.prefix.get(split, '')
    array = np.array([values, values], dtype=np.uint8)
    Image.fromarray(array).save(folder / labels / (prefix + layout.label.format(0)))
    blank = np.zeros((*array.shape[:2], 3), np.uint8)
    Image.fromarray(blank).save(folder / images / (prefix + layout.image.format(0)))


@pytest.mark.parametrize(('name', 'last', 'more'), [
    ('kitti', 33, {}), ('wilddash', 33, {}),
    ('wilddash2', 38, {34: 'truck', 35: 'car', 38: 'road'})])
def test_every_label_id_of_cityscapes(repo, tmp_path, monkeypatch, name, last, more):
    """Against the train ids of Cityscapes, written down by name."""
    full = ['unlabeled', 'ego vehicle', 'rectification border', 'out of roi', 'static', 'dynamic',
            'ground', 'road', 'sidewalk', 'parking', 'rail track', 'building', 'wall', 'fence',
            'guard rail', 'bridge', 'tunnel', 'pole', 'polegroup', 'traffic light', 'traffic sign',
            'vegetation', 'terrain', 'sky', 'person', 'rider', 'car', 'truck', 'bus', 'caravan',
            'trailer', 'train', 'motorcycle', 'bicycle']
    write_labels(tmp_path, name, range(last + 1))
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    dataset = MultiDataset([entry_of(repo, name)], split='test', pipeline=PLAIN)
    classes = dataset.spaces[name].classes
    names = [*full, *(more.get(i, 'nothing') for i in range(34, last + 1))]
    expected = [classes.index(n) if n in classes else 255 for n in names]
    assert labels_of(dataset[0])[0].tolist() == expected
    write_labels(tmp_path, name, [7, last + 1])
    with pytest.raises(ValueError, match=rf'dataset {name}: .*\.png holds the id {last + 1}'):
        dataset[0]


@pytest.mark.parametrize('pipeline', [PLAIN, STOCK], ids=['LoadLabelMap', 'LoadAnnotations'])
@pytest.mark.parametrize(('name', 'stored', 'classes', 'colour'), [
    ('kitti', {26: 0, 7: 1, 11: 255, 0: 255}, ['car', 'road'], [0, 0, 142]),
    ('mapillary', {13: 1, 54: 0, 0: 255, 65: 255}, ['Bus', 'Road'], [0, 60, 100])])
def test_a_part_of_the_classes(repo, tmp_path, monkeypatch, name, stored, classes, colour,
                               pipeline):
    write_labels(tmp_path, name, list(stored))
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    entry = {**entry_of(repo, name), 'metainfo': {'classes': classes}}
    dataset = MultiDataset([entry], split='train', pipeline=pipeline)
    assert labels_of(dataset[0])[0].tolist() == list(stored.values())
    assert dataset.metainfo['palette'][0] == colour
    assert [list(c) for c in dataset.datasets[name].metainfo['palette']] == (
        dataset.metainfo['palette'])


def test_full_label_ids_can_be_remapped(repo, tmp_path, monkeypatch):
    write_labels(tmp_path, 'kitti', [26, 7, 11, 25, 0])
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    entry = {**entry_of(repo, 'kitti'), 'remap': 'cityscapes_to_camvid.json'}
    dataset = MultiDataset([entry], split='test', pipeline=PLAIN)
    names = dataset.spaces['kitti'].classes
    found = [names[i] for i in labels_of(dataset[0])[0][:4]]
    assert found == ['Car', 'Road', 'Building', 'Bicyclist']
    assert labels_of(dataset[0])[0][4] == 255


# ------------------------------------------------------------------ CamVid as in MSeg


def test_camvids_32_colours(repo, tmp_path, monkeypatch):
    colours = dict(CamVidMSegDataset.LABEL_COLOURS)
    assert len(colours) == len(CamVidMSegDataset.LABEL_COLOURS) == 32
    assert sorted(v for v in colours.values() if v != 255) == list(range(11))
    write_labels(tmp_path, 'camvid_mseg', list(colours))
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    dataset = MultiDataset([entry_of(repo, 'camvid_mseg')], split='train', pipeline=PLAIN)
    assert labels_of(dataset[0])[0].tolist() == list(colours.values())
    entry = {**entry_of(repo, 'camvid_mseg'), 'metainfo': {'classes': ['sky', 'car']}}
    part = MultiDataset([entry], split='train', pipeline=PLAIN)
    expected = [{2: 0, 3: 1}.get(i, 255) for i in colours.values()]
    assert labels_of(part[0])[0].tolist() == expected


def test_stray_colours_are_not_labelled_and_many_are_an_error(repo, tmp_path, monkeypatch):
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    write_labels(tmp_path, 'camvid_mseg', [(1, 2, 3), *[(128, 0, 0)] * 199])
    dataset = MultiDataset([entry_of(repo, 'camvid_mseg')], split='train', pipeline=PLAIN)
    assert labels_of(dataset[0])[0].tolist() == [255, *[0] * 199]
    write_labels(tmp_path, 'camvid_mseg', [(1, 2, 3), (255, 255, 255), (128, 0, 0), (0, 0, 192)])
    with pytest.raises(ValueError, match=r'(?s)50% of the label map .*_L\.png .*\(1, 2, 3\); the '
                                         r'dataset has \(128, 0, 0\), '):
        dataset[0]
    write_labels(tmp_path, 'camvid_mseg', [0, 1])
    with pytest.raises(ValueError, match=r'_L\.png has shape \(2, 2\); .*three channels'):
        dataset[0]


def test_the_splits_hold_all_of_camvids_frames(repo):
    """367, 101 and 233 frames, as MSeg's lists and SegNet's have; together all 701."""
    numbers = {
        '0001TP_{:06d}': range(6690, 10381, 30), '0006R0_f{:05d}': range(930, 3931, 30),
        'Seq05VD_f{:05d}': range(0, 5101, 30),
        '0016E5_{:05d}': [*range(390, 871, 30), 901, *range(930, 2401, 30), *range(4350, 7921, 30),
                          *range(7959, 8160, 2), *range(8190, 8641, 30)]}
    frames = [pattern.format(n) for pattern, values in numbers.items() for n in values]
    assert len(frames) == 701
    entry = entry_of(repo, 'camvid_mseg')
    counts = {}
    for split in ('train', 'val', 'test'):
        dataset = CamVidMSegDataset(frames=entry.splits[split].frames, lazy_init=True)
        counts[split] = sum(dataset._belongs(f'{frame}.png') for frame in frames)
    assert counts == {'train': 367, 'val': 101, 'test': 233}


# ------------------------------------------------------------------ Table A-3

# The rows of the table that two or more datasets share, with the initials of the datasets.
SHARED = {
    **dict.fromkeys(('bicycle', 'building', 'bus', 'car', 'fence', 'motorcycle', 'person', 'pole',
                     'road', 'sidewalk', 'sky', 'traffic light', 'traffic sign', 'truck',
                     'vegetation', 'wall'), 'CBIM'),
    **dict.fromkeys(('billboard', 'bridge', 'curb', 'guard rail', 'parking', 'rail track'), 'IM'),
    'rider': 'CBI', 'terrain': 'CBM', 'train': 'CB',
}
IDD_ALONE = ('autorickshaw', 'obs-str-bar-fallback', 'vehicle fallback')
# `tunnel` and `utility pole` stand under IDD in the table, which would then have 28 classes instead
# of 26, and Mapillary 63 instead of 65; both are classes of Mapillary.
MAPILLARY_ALONE = (
    'banner', 'barrier', 'bench', 'bicyclist', 'bike lane', 'bike rack', 'bird', 'boat',
    'car mount', 'caravan', 'catch basin', 'cctv camera', 'crosswalk - plain', 'curb cut',
    'ego vehicle', 'fire hydrant', 'ground animal', 'junction box', 'lane marking - crosswalk',
    'lane marking - general', 'mailbox', 'manhole', 'motorcyclist', 'mountain', 'on rails',
    'other rider', 'other vehicle', 'pedestrian area', 'phone booth', 'pothole', 'sand',
    'service lane', 'snow', 'street light', 'traffic sign (back)', 'traffic sign frame', 'trailer',
    'trash can', 'water', 'wheeled slow', 'tunnel', 'utility pole')
ROWS = {**SHARED, **dict.fromkeys(IDD_ALONE, 'I'), **dict.fromkeys(MAPILLARY_ALONE, 'M')}
INITIALS = {'cityscapes': 'C', 'bdd100k': 'B', 'idd': 'I', 'mapillary': 'M'}
# IDD's names of the two categories that the table calls after the other label of the same id.
RENAMED = {'drivable fallback': 'parking', 'non drivable fallback': 'rail track'}
ALIASES = {'type': 'by_name', 'aliases': 'uniseg_cibm.json'}


def rows_of(unified):
    rows = {}
    for n, node in enumerate(unified.nodes):
        name = normalise_name(node)
        initials = [INITIALS[d] for d in unified.datasets if unified.class_of_node(d)[n] >= 0]
        rows[RENAMED.get(name, name)] = frozenset(initials)
    return rows


def test_the_union_is_table_a_3(repo):
    spaces = label_spaces_from_cfg([entry_of(repo, name) for name in INITIALS])
    unified = build_label_space(ALIASES, spaces)
    assert unified.num_nodes == len(ROWS) == 70
    assert rows_of(unified) == {normalise_name(r): frozenset(d) for r, d in ROWS.items()}
    for space in spaces:
        assert not unified.classes_with_several_nodes(space.name)
        assert sum(INITIALS[space.name] in d for d in ROWS.values()) == space.num_classes


@pytest.mark.parametrize('mix', ['ibm', 'cbm', 'cim', 'cib'])
def test_leaving_a_dataset_out_leaves_the_rows_of_the_others(repo, mix):
    datasets = [name for name, initial in INITIALS.items() if initial.lower() in mix]
    unified = build_label_space(ALIASES, label_spaces_from_cfg(
        [entry_of(repo, name) for name in datasets]))
    left = {normalise_name(r): frozenset(d) & set(mix.upper()) for r, d in ROWS.items()}
    assert rows_of(unified) == {r: d for r, d in left.items() if d}


# ------------------------------------------------------------------ the mixes

EXPERIMENT = """
_base_ = [{base!r} + '/' + name for name in (
    'models/r18_s32_segformer.py', 'mixes/{mix}.py', 'schedules/schedule_adamw.py',
    'default_runtime.py')]
model = dict(
    datasets={{{{_base_.datasets}}}}, label_space=dict(type='by_name', aliases='uniseg_cibm.json'))
"""
MIXES = {'mix_uniseg_cibm': 'CIBM', 'mix_uniseg_ibm': 'IBM', 'mix_uniseg_cbm': 'CBM',
         'mix_uniseg_cim': 'CIM', 'mix_uniseg_cib': 'CIB'}


def config_of(repo, folder, mix):
    path = folder / f'{mix}_experiment.py'
    path.write_text(EXPERIMENT.format(base=str(repo / 'configs' / '_base_'), mix=mix))
    return Config.fromfile(path)


def trained_in(mix):
    return [name for name in TRAINED if INITIALS[name] in MIXES[mix]]


def unseen_by(mix):
    return [name for name in TRAINED if INITIALS[name] not in MIXES[mix]] + UNSEEN


@pytest.mark.parametrize('mix', MIXES)
def test_the_datasets_of_the_mixes(repo, mix):
    cfg = Config.fromfile(repo / 'configs' / '_base_' / 'mixes' / f'{mix}.py')
    trained = [entry_of(repo, name) for name in trained_in(mix)]
    assert list(cfg.datasets) == trained and list(cfg.unseen) == [
        entry_of(repo, name) for name in unseen_by(mix)]
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        assert list(loader.dataset.datasets) == trained
    assert list(cfg.test_dataloader.dataset.datasets) == list(cfg.unseen)
    assert cfg.train_dataloader.batch_size == 16
    assert cfg.train_dataloader.sampler.plan == {'type': 'concat'}


@pytest.mark.parametrize('mix', ['mix_uniseg_cibm', 'mix_uniseg_cib'])
def test_mixes_train_and_evaluate_on_miniatures(repo, tmp_path, monkeypatch,
                                                mix):
    """Two iterations, validation on the datasets of the mix, a test on the others."""
    root = make_all(tmp_path / 'data', images=2, names=[*trained_in(mix), *unseen_by(mix)])
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(root))
    cfg = config_of(repo, tmp_path, mix)
    small = {f'{pipeline}.{i}.scale': (100000, 96) for pipeline, i in (
        ('train_dataloader.dataset.pipeline', 2), ('val_dataloader.dataset.pipeline', 1),
        ('test_dataloader.dataset.pipeline', 1))}
    cfg.merge_from_dict({
        **small,
        'work_dir': str(tmp_path / 'run'), 'log_level': 'ERROR', 'experiment_name': tmp_path.name,
        'train_cfg.max_iters': 2, 'train_cfg.val_interval': 2,
        'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False,
        'val_dataloader.num_workers': 0, 'test_dataloader.num_workers': 0,
        'train_dataloader.batch_size': 2, 'visualizer.name': tmp_path.name,
        'custom_hooks.0.images_per_dataset': 1, 'train_dataloader.sampler.crop_size': (64, 96)})
    runner = Runner.from_cfg(cfg)
    seen = {}
    after_val = runner.val_loop.evaluator.evaluate
    runner.val_loop.evaluator.evaluate = lambda size: seen.update(after_val(size)) or seen
    runner.train()
    assert {f'{name}/mIoU' for name in trained_in(mix)} <= set(seen)
    runner.model.test_cfg['label_space'] = 'unified'
    metrics = runner.test()
    assert {f'{name}/mIoU' for name in unseen_by(mix)} <= set(metrics)
    # Section 4.1: the classes that both sides have. Without Mapillary no node is a bicyclist.
    metric, = runner.test_loop.evaluator.metrics
    notes = {d: [c for c, note in zip(s.classes, s.notes) if note]
             for d, s in metric.scores.items() if d in UNSEEN}
    absent = ['bicyclist'] if mix == 'mix_uniseg_cib' else []
    assert notes == {'kitti': [], 'wilddash': [], 'camvid_mseg': absent}


def test_batches_are_those_of_the_paper(repo, tmp_path, monkeypatch):
    """Sixteen crops of 713x713 of images with a shorter side of 540 to 2160 pixels."""
    mix = 'mix_uniseg_cibm'
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(make_all(tmp_path, images=1, names=TRAINED)))
    cfg = config_of(repo, tmp_path, mix)
    cfg.merge_from_dict({'train_dataloader.num_workers': 0,
                         'train_dataloader.persistent_workers': False})
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    loader.batch_sampler.sampler.bind(16)
    batch = next(iter(loader))
    assert [tuple(image.shape) for image in batch['inputs']] == [(3, 713, 713)] * 16
    datasets = [sample.metainfo['dataset'] for sample in batch['data_samples']]
    assert {name: datasets.count(name) for name in TRAINED} == dict.fromkeys(TRAINED, 4)
    for name, sample in zip(datasets, batch['data_samples']):
        short = min(DATASETS[name].size) * sample.metainfo['scale_factor'][0]
        assert 539 < short < 2161
        labels = sample.gt_sem_seg.data[0]
        assert labels.shape == (713, 713) and (labels != 255).any()


@pytest.mark.parametrize('name', [*TRAINED, *UNSEEN])
def test_tests_are_at_a_height_of_1080(repo, tmp_path, monkeypatch, name):
    make_miniature(tmp_path, name, images=1)
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    cfg = Config.fromfile(repo / 'configs' / '_base_' / 'mixes' / 'loaders_uniseg.py')
    dataset = MultiDataset([entry_of(repo, name)], split='test', pipeline=cfg.val_pipeline)
    height, width = DATASETS[name].size
    sample = dataset[0]
    assert sample['inputs'].shape == (3, 1080, round(1080 * width / height))
    assert labels_of(sample).shape == (height, width)
