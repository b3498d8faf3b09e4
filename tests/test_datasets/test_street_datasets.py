"""The datasets of the CDCL paper: official folders and encodings, class lists."""

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmseg_multids.datasets import CamVid11Dataset, MultiDataset, label_space_from_cfg

from ..miniature import DATASETS, make_miniature

NAMES = ['cityscapes', 'bdd100k', 'camvid', 'coco_stuff182']
PLAIN = [{'type': 'LoadImageFromFile'}, {'type': 'LoadLabelMap'}, {'type': 'PackSegInputs'}]
STOCK = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}, {'type': 'PackSegInputs'}]


def entry_of(repo, name):
    return Config.fromfile(repo / 'configs' / '_base_' / 'datasets' / f'{name}.py')[name]


def labels_of(sample):
    return sample['data_samples'].gt_sem_seg.data[0].numpy()


@pytest.mark.parametrize('pipeline', [PLAIN, STOCK], ids=['LoadLabelMap', 'LoadAnnotations'])
@pytest.mark.parametrize('name', NAMES)
def test_images_load_with_the_ids_of_their_files(repo, tmp_path, monkeypatch, name, pipeline):
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
            expected = np.where(stored == layout.void, 255, stored)
            np.testing.assert_array_equal(labels_of(sample), expected)
            assert set(np.unique(expected)) == {*layout.ids.tolist(), 255}


@pytest.mark.parametrize(('name', 'known'), [
    ('cityscapes', {0: 'road', 8: 'vegetation', 12: 'rider', 18: 'bicycle'}),
    ('bdd100k', {0: 'road', 8: 'vegetation', 12: 'rider', 18: 'bicycle'}),
    ('camvid', {0: 'Sky', 3: 'Road', 4: 'Pavement', 8: 'Car', 10: 'Bicyclist'}),
    ('coco_stuff182', {
        0: 'person', 2: 'car', 10: 'fire hydrant', 11: 'street sign', 12: 'stop sign', 71: 'tv',
        79: 'toaster', 89: 'toothbrush', 90: 'hair brush', 91: 'banner', 95: 'building-other',
        123: 'grass', 139: 'pavement', 148: 'road', 156: 'sky-other', 168: 'tree', 181: 'wood'}),
])
def test_class_lists(repo, name, known):
    space = label_space_from_cfg(entry_of(repo, name))
    assert space.num_classes == DATASETS[name].num_classes
    assert {i: space.classes[i] for i in known} == known
    assert len(set(space.palette)) == space.num_classes


def test_stuff_classes_do_not_share_a_name_with_things(repo):
    """COCO-Stuff renamed the four classes that COCO 2017 dropped as things."""
    classes = label_space_from_cfg(entry_of(repo, 'coco_stuff182')).classes
    things, stuff = classes[:91], classes[91:]
    assert list(stuff) == sorted(stuff) and len(stuff) == 91
    absent = ['street sign', 'hat', 'shoe', 'eye glasses', 'plate', 'mirror', 'window', 'desk',
              'door', 'blender', 'hair brush']
    assert [things[i] for i in sorted(DATASETS['coco_stuff182'].absent)] == absent
    assert {'mirror-stuff', 'desk-stuff', 'door-stuff', 'window-other'} <= set(stuff)


def test_the_171_classes_of_mmsegmentation_are_those_that_occur(repo):
    from mmseg.datasets import COCOStuffDataset
    classes = label_space_from_cfg(entry_of(repo, 'coco_stuff182')).classes
    occurring = [classes[i] for i in DATASETS['coco_stuff182'].ids]
    assert occurring == list(COCOStuffDataset.METAINFO['classes'])


def test_camvid_with_a_part_of_its_classes(repo, tmp_path, monkeypatch):
    """The unlabelled id stays unlabelled beside MMSegmentation's own reduction of classes."""
    make_miniature(tmp_path, 'camvid', images=1)
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    entry = {**entry_of(repo, 'camvid'), 'metainfo': {'classes': ['Car', 'Sky']}}
    dataset = MultiDataset([entry], split='train', pipeline=PLAIN)
    stored = np.array(Image.open(dataset.get_data_info(0)['seg_map_path']))
    expected = np.select([stored == 8, stored == 0], [0, 1], 255)
    np.testing.assert_array_equal(labels_of(dataset[0]), expected)
    palette = dict(zip(CamVid11Dataset.METAINFO['classes'], CamVid11Dataset.METAINFO['palette']))
    assert dataset.metainfo['palette'] == [palette['Car'], palette['Sky']]
