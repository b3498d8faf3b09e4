"""The datasets that the AutoUniSeg paper adds: rooms, everyday photographs and a game."""

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmseg_multids.datasets import CocoStuff182Dataset, MultiDataset, label_space_from_cfg

from ..miniature import DATASETS, make_miniature

NAMES = ['ade20k', 'coco_panoptic', 'sun_rgbd', 'scannet20', 'viper', 'pascal_voc',
         'pascal_context']
PLAIN = [{'type': 'LoadImageFromFile'}, {'type': 'LoadLabelMap'}, {'type': 'PackSegInputs'}]
STOCK = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}, {'type': 'PackSegInputs'}]


def entry_of(repo, name):
    return Config.fromfile(repo / 'configs' / '_base_' / 'datasets' / f'{name}.py')[name]


def classes_of(repo, name):
    return label_space_from_cfg(entry_of(repo, name)).classes


def labels_of(sample):
    return sample['data_samples'].gt_sem_seg.data[0].numpy()


def first_label_map(root, name, values, palette=False):
    """Write a miniature with these ids in both rows of its first label map; return its path."""
    folder = make_miniature(root, name, images=1)
    layout = DATASETS[name]
    split, (images, labels) = next(iter(layout.splits.items()))
    prefix = layout.prefix.get(split, '')
    array = np.array([values, values], dtype=np.uint8)
    image = Image.fromarray(array)
    if palette:  # ids as positions in a table of colours
        image = Image.fromarray(array, mode='P')
        image.putpalette(list(range(255, -1, -1)) * 3)
    path = folder / labels / (prefix + layout.label.format(0))
    image.save(path)
    Image.fromarray(np.zeros((*array.shape, 3), np.uint8)).save(
        folder / images / (prefix + layout.image.format(0)))
    return path


@pytest.mark.parametrize('pipeline', [PLAIN, STOCK], ids=['LoadLabelMap', 'LoadAnnotations'])
@pytest.mark.parametrize('name', NAMES)
def test_stored_ids_become_classes(repo, tmp_path, monkeypatch, name, pipeline):
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
            table = {value: c for c, value in enumerate(layout.stored or layout.ids.tolist())}
            expected = [[table.get(value, 255) for value in row] for row in stored.tolist()]
            np.testing.assert_array_equal(labels_of(sample), expected)
            assert set(np.unique(expected)) == {*layout.ids.tolist(), 255}


@pytest.mark.parametrize('name', NAMES)
def test_training_images_are_not_those_of_validation(repo, tmp_path, monkeypatch, name):
    make_miniature(tmp_path, name, images=2)
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    paths = {}
    for split in ('train', 'val', 'test'):
        dataset = MultiDataset([entry_of(repo, name)], split=split, pipeline=PLAIN)
        paths[split] = {dataset.get_data_info(i)['img_path'] for i in range(len(dataset))}
    assert not paths['train'] & paths['val'] and paths['val'] == paths['test']


@pytest.mark.parametrize(('name', 'number', 'known'), [
    ('ade20k', 150, {0: 'wall', 12: 'person', 20: 'car', 149: 'flag'}),
    ('coco_panoptic', 133, {0: 'person', 2: 'car', 11: 'stop sign', 79: 'toothbrush', 80: 'banner',
                            100: 'road', 116: 'tree-merged', 132: 'rug-merged'}),
    ('sun_rgbd', 37, {0: 'wall', 1: 'floor', 12: 'blinds', 23: 'refrigerator', 36: 'bag'}),
    ('scannet20', 20, {0: 'wall', 11: 'counter', 12: 'desk', 13: 'curtain', 19: 'otherfurniture'}),
    ('viper', 23, {0: 'sky', 3: 'terrain', 17: 'person', 18: 'motorcycle', 22: 'truck'}),
    ('pascal_voc', 21, {0: 'background', 15: 'person', 20: 'tvmonitor'}),
    ('pascal_context', 59, {0: 'aeroplane', 36: 'person', 58: 'wood'}),
])
def test_class_lists(repo, name, number, known):
    classes = classes_of(repo, name)
    assert len(classes) == number == DATASETS[name].num_classes
    assert {i: classes[i] for i in known} == known


@pytest.mark.parametrize('name', ['coco_panoptic', 'sun_rgbd', 'scannet20', 'viper'])
def test_colours_differ(repo, name):
    space = label_space_from_cfg(entry_of(repo, name))
    assert len(set(space.palette)) == space.num_classes


def test_classes_of_coco_panoptic_are_those_of_coco_stuff(repo):
    """80 things that occur; stuff under the same name, and the rest joined to `-merged`."""
    classes = classes_of(repo, 'coco_panoptic')
    stuff182 = CocoStuff182Dataset.METAINFO['classes']
    occurring = [c for i, c in enumerate(stuff182[:91])
                 if i not in DATASETS['coco_stuff182'].absent]
    assert list(classes[:80]) == occurring
    merged = [c for c in classes if c.endswith('-merged')]
    assert len(merged) == 17 and tuple(merged) == classes[-17:]
    assert set(classes[80:-17]) <= set(stuff182[91:])


# The 40 classes of NYUv2 in the order of their ids, 1 to 40.
NYU = ['wall', 'floor', 'cabinet', 'bed', 'chair', 'sofa', 'table', 'door', 'window', 'bookshelf',
       'picture', 'counter', 'blinds', 'desk', 'shelves', 'curtain', 'dresser', 'pillow', 'mirror',
       'floor mat', 'clothes', 'ceiling', 'books', 'refrigerator', 'television', 'paper', 'towel',
       'shower curtain', 'box', 'whiteboard', 'person', 'night stand', 'toilet', 'sink', 'lamp',
       'bathtub', 'bag', 'otherstructure', 'otherfurniture', 'otherprop']
NOT_IN_SCANNET = {'blinds', 'shelves', 'dresser', 'pillow', 'mirror', 'floor mat', 'clothes',
                  'ceiling', 'books', 'television', 'paper', 'towel', 'box', 'whiteboard', 'person',
                  'night stand', 'lamp', 'bag', 'otherstructure', 'otherprop'}
# classes.csv of VIPER's authors by name; None is not evaluated.
VIPER = [None, None, 'sky', 'road', 'sidewalk', None, 'terrain', 'tree', 'vegetation', 'building',
         'infrastructure', 'fence', 'billboard', 'trafficlight', 'trafficsign', 'mobilebarrier',
         'firehydrant', 'chair', 'trash', 'trashcan', 'person', None, None, 'motorcycle', 'car',
         'van', 'bus', 'truck', None, None, None, None]
SCANNET = [None, *(None if name in NOT_IN_SCANNET else name for name in NYU)]
SUN_RGBD = [None, *NYU[:37]]


@pytest.mark.parametrize(('name', 'table'), [
    ('viper', VIPER), ('scannet20', SCANNET), ('sun_rgbd', SUN_RGBD)])
def test_every_stored_id(repo, tmp_path, monkeypatch, name, table):
    path = first_label_map(tmp_path, name, range(len(table)))
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    dataset = MultiDataset([entry_of(repo, name)], split='train', pipeline=PLAIN)
    classes = dataset.spaces[name].classes
    expected = [255 if each is None else classes.index(each) for each in table]
    assert labels_of(dataset[0])[0].tolist() == expected
    assert first_label_map(tmp_path, name, [3, len(table)]) == path
    with pytest.raises(ValueError, match=rf'dataset {name}: .*\.png holds the id {len(table)}'):
        dataset[0]


@pytest.mark.parametrize(('name', 'wrong'), [
    ('coco_panoptic', 133), ('pascal_voc', 21), ('pascal_context', 60), ('ade20k', 151)])
def test_ids_beyond_the_classes_are_errors(repo, tmp_path, monkeypatch, name, wrong):
    first_label_map(tmp_path, name, [1, 255, wrong])
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    dataset = MultiDataset([entry_of(repo, name)], split='train', pipeline=PLAIN)
    with pytest.raises(ValueError, match=rf'dataset {name}: .*\.png holds the id'):
        dataset[0]


@pytest.mark.parametrize(('name', 'stored', 'expected'), [
    ('pascal_voc', [0, 15, 255], [0, 15, 255]), ('viper', [2, 24, 5], [0, 19, 255])])
def test_files_with_a_table_of_colours(repo, tmp_path, monkeypatch, name, stored, expected):
    """VOC's and VIPER's label maps are indexed PNG files."""
    first_label_map(tmp_path, name, stored, palette=True)
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    dataset = MultiDataset([entry_of(repo, name)], split='train', pipeline=PLAIN)
    assert labels_of(dataset[0])[0].tolist() == expected


@pytest.mark.parametrize('pipeline', [PLAIN, STOCK], ids=['LoadLabelMap', 'LoadAnnotations'])
@pytest.mark.parametrize(('name', 'stored'), [
    ('sun_rgbd', {24: 0, 2: 1, 1: 255, 0: 255}), ('scannet20', {24: 0, 2: 1, 13: 255, 0: 255})])
def test_a_part_of_the_classes(repo, tmp_path, monkeypatch, name, stored, pipeline):
    first_label_map(tmp_path, name, list(stored))
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    entry = {**entry_of(repo, name), 'metainfo': {'classes': ['refrigerator', 'floor']}}
    dataset = MultiDataset([entry], split='train', pipeline=pipeline)
    assert labels_of(dataset[0])[0].tolist() == list(stored.values())


def test_images_of_sun_rgbd_are_found_by_number(repo, tmp_path, monkeypatch):
    folder = make_miniature(tmp_path, 'sun_rgbd', images=3)
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    dataset = MultiDataset([entry_of(repo, 'sun_rgbd')], split='val', pipeline=PLAIN)
    assert [dataset.get_data_info(i)['seg_map_path'] for i in range(3)] == [
        str(folder / 'label37' / 'test' / f'{i:08d}.png') for i in range(3)]
    (folder / 'image' / 'test' / 'other.jpg').write_bytes(b'')
    with pytest.raises(FileNotFoundError, match=r'other\.jpg is not called img-NUMBER\.jpg'):
        MultiDataset([entry_of(repo, 'sun_rgbd')], split='val', pipeline=PLAIN)


def test_scenes_of_scannet_come_from_a_list(repo, tmp_path, monkeypatch):
    folder = make_miniature(tmp_path, 'scannet20', images=2)
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    frames = str(folder / 'scannet_frames_25k')
    dataset = MultiDataset([entry_of(repo, 'scannet20')], split='val', pipeline=PLAIN)
    assert [dataset.get_data_info(i)['img_path'] for i in range(2)] == [
        f'{frames}/scene0568_00/color/{i:04d}00.jpg' for i in range(2)]
    entry = entry_of(repo, 'scannet20')
    entry.splits['all'] = {}
    assert MultiDataset([entry], split='all', pipeline=PLAIN).sizes == {'scannet20': 4}
    (folder / 'scannetv2_val.txt').write_text('scene0568_00\nscene0000_07\n')
    with pytest.raises(FileNotFoundError, match='scene0000_07'):
        MultiDataset([entry_of(repo, 'scannet20')], split='val', pipeline=PLAIN)
