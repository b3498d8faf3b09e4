"""The datasets that MDP is fine-tuned on and that no other paper here has."""

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.datasets import COCOStuffDataset
from PIL import Image

from mmseg_multids.datasets import (
    CocoStuff182Dataset,
    MultiDataset,
    PascalVOCAugDataset,
    label_space_from_cfg,
)

from ..miniature import DATASETS, make_miniature

PLAIN = [{'type': 'LoadImageFromFile'}, {'type': 'LoadLabelMap'}, {'type': 'PackSegInputs'}]
STOCK = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}, {'type': 'PackSegInputs'}]


def entry_of(repo, name):
    return Config.fromfile(repo / 'configs' / '_base_' / 'datasets' / f'{name}.py')[name]


@pytest.fixture
def voc(tmp_path, monkeypatch):
    """Two images with VOC's own label maps, two with SBD's, one with both."""
    make_miniature(tmp_path, 'pascal_voc', images=2)
    folder = make_miniature(tmp_path, 'pascal_voc_aug', images=3)
    both = '2009_000002'
    Image.fromarray(np.full((96, 128), 15, np.uint8)).save(
        folder / 'SegmentationClass' / f'{both}.png')
    names = ['2009_000000', '2007_000001', both, '2009_000001', '2007_000000']
    (folder / 'ImageSets' / 'Segmentation' / 'trainaug.txt').write_text('\n'.join(names) + '\n')
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    return folder


@pytest.mark.parametrize('pipeline', [PLAIN, STOCK], ids=['LoadLabelMap', 'LoadAnnotations'])
def test_label_maps_of_voc_come_before_those_of_sbd(repo, voc, pipeline):
    dataset = MultiDataset([entry_of(repo, 'pascal_voc_aug')], split='train', pipeline=pipeline)
    assert dataset.sizes == {'pascal_voc': 5}
    own = {'2007_000000', '2007_000001', '2009_000002'}
    for i in range(5):
        info = dataset.get_data_info(i)
        name = info['img_path'].rpartition('/')[2][:-len('.jpg')]
        folder = voc / ('SegmentationClass' if name in own else 'SegmentationClassAug')
        assert info['seg_map_path'] == str(folder / f'{name}.png')
        labels = dataset[i]['data_samples'].gt_sem_seg.data[0].numpy()
        np.testing.assert_array_equal(labels, np.array(Image.open(info['seg_map_path'])))
        if name == '2009_000002':
            assert set(labels.flat) == {15}


def test_validation_is_that_of_pascal_voc(repo, voc):
    infos = []
    for name in ('pascal_voc', 'pascal_voc_aug'):
        for split in ('val', 'test'):
            dataset = MultiDataset([entry_of(repo, name)], split=split, pipeline=PLAIN)
            infos.append([dataset.get_data_info(i) for i in range(len(dataset))])
    assert infos[0] and all(each == infos[0] for each in infos)


def test_the_label_space_is_that_of_pascal_voc(repo):
    spaces = [label_space_from_cfg(entry_of(repo, name))
              for name in ('pascal_voc', 'pascal_voc_aug')]
    assert spaces[0].name == spaces[1].name and spaces[0].classes == spaces[1].classes


def test_a_folder_for_sbd_is_needed():
    with pytest.raises(ValueError, match="no 'aug_seg_map_path'.*type='PascalVOCDataset'"):
        PascalVOCAugDataset(ann_file='x.txt', data_prefix={'img_path': 'JPEGImages',
                                                          'seg_map_path': 'SegmentationClass'})


def test_coco_stuff_of_171_classes_beside_the_original_maps(repo, tmp_path, monkeypatch):
    make_miniature(tmp_path, 'coco_stuff182', images=2)
    folder = make_miniature(tmp_path, 'coco_stuff164k', images=2)
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    entry = entry_of(repo, 'coco_stuff164k')
    for split, part in (('train', 'train2017'), ('val', 'val2017'), ('test', 'val2017')):
        dataset = MultiDataset([entry], split=split, pipeline=PLAIN)
        assert dataset.sizes == {'coco_stuff164k': 2}
        assert dataset.get_data_info(1)['seg_map_path'] == str(
            folder / 'annotations' / part / '000000000001_labelTrainIds.png')
        found = set(np.unique(dataset[1]['data_samples'].gt_sem_seg.data.numpy()))
        assert found == {*range(171), 255}


def test_classes_of_coco_stuff_are_those_of_the_182_that_occur(repo):
    classes = label_space_from_cfg(entry_of(repo, 'coco_stuff164k')).classes
    assert classes == tuple(COCOStuffDataset.METAINFO['classes']) and len(classes) == 171
    absent = DATASETS['coco_stuff182'].absent
    assert list(classes) == [c for i, c in enumerate(CocoStuff182Dataset.METAINFO['classes'])
                             if i not in absent]
