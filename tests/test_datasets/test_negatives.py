"""Images that are marked as negative, and the metainfo that says so."""

import logging

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from mmseg_multids.datasets import MultiDataset, SampleRequest, negatives
from mmseg_multids.datasets.toyworld import LEAVES, render_scene
from mmseg_multids.datasets.toyworld.disk import write_view
from mmseg_multids.datasets.toyworld.render import is_negative
from mmseg_multids.evaluation import WildDashMetric
from mmseg_multids.registry import MODELS

from ..conftest import ROOT
from .test_multi_dataset import PLAIN, write

WILD = {'name': 'wild', 'type': 'ToyWorldDataset', 'view': 'wild', 'split': 'val', 'size': 30,
        'image_size': (32, 32)}
DRAWN = [{'type': 'RenderToyWorld'}, {'type': 'PackSegInputs'}]


def marks(dataset):
    return [dataset[i]['data_samples'].metainfo.get('negative') for i in range(len(dataset))]


def test_wild_says_which_scenes_are_no_street():
    found = marks(MultiDataset([WILD], pipeline=DRAWN))
    indoor = [bool((render_scene('wild', 'val', 0, i, (32, 32))[1] >= LEAVES.index('floor')).any())
              for i in range(30)]
    assert found == indoor and 2 <= sum(found) <= 12


def test_other_views_say_nothing():
    entries = [{**WILD, 'name': view, 'view': view, 'size': 2} for view in ('city', 'room')]
    assert marks(MultiDataset(entries, pipeline=DRAWN)) == [None] * 4


def test_requests_and_augmented_tests_keep_the_mark():
    first = marks(MultiDataset([WILD], pipeline=DRAWN)).index(True)
    request = MultiDataset([WILD], pipeline=DRAWN)[SampleRequest('wild', first, 0)]
    assert request['data_samples'].metainfo['negative'] is True
    cfg = Config.fromfile(ROOT / 'configs/_base_/mixes/loaders_toyworld.py')
    versions = MultiDataset([WILD], pipeline=cfg.tta_pipeline)[first]['data_samples']
    assert len(versions) > 1 and all(v.metainfo['negative'] is True for v in versions)


def test_a_list_marks_the_images_of_files(tmp_path):
    entry = write(tmp_path, 'one', 4, 3, negatives='negatives.txt')
    (tmp_path / 'one' / 'negatives.txt').write_text('# no street\n2.png\n\n0\n')
    assert marks(MultiDataset([entry], pipeline=PLAIN)) == [True, False, True, False]


def test_a_split_has_its_own_list(tmp_path):
    entry = write(tmp_path, 'one', 3, 3, negatives='all.txt')
    entry['splits'] = {'train': {}, 'val': {'negatives': 'val.txt'}}
    (tmp_path / 'one' / 'all.txt').write_text('0\n')
    (tmp_path / 'one' / 'val.txt').write_text('1\n')
    assert marks(MultiDataset([entry], 'train', PLAIN)) == [True, False, False]
    assert marks(MultiDataset([entry], 'val', PLAIN)) == [False, True, False]
    plain = {k: v for k, v in entry.items() if k != 'negatives'}
    assert marks(MultiDataset([plain], 'train', PLAIN)) == [None] * 3


def test_names_of_no_image_are_noticed(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(negatives, 'print_log', lambda text, logger=None, level=logging.INFO:
                        said.append((level, text)))
    entry = write(tmp_path, 'one', 2, 3, negatives='n.txt')
    (tmp_path / 'one' / 'n.txt').write_text('0\nmoon\n')
    assert marks(MultiDataset([entry], pipeline=PLAIN)) == [True, False]
    assert said == [(logging.WARNING, "dataset one: 1 of 2 names in n.txt are no image of this "
                                      "split: 'moon'")]
    (tmp_path / 'one' / 'n.txt').write_text('images/0\n')
    with pytest.raises(ValueError, match="one: n.txt names no image.*'images/0'.*called '0'"):
        MultiDataset([entry], pipeline=PLAIN)
    (tmp_path / 'one' / 'n.txt').unlink()
    with pytest.raises(FileNotFoundError, match='n.txt does not exist.*data_root'):
        MultiDataset([entry], pipeline=PLAIN)


def test_toyworld_on_disk_has_such_a_list(tmp_path):
    write_view(tmp_path, 'wild', 'val', 20, (16, 16))
    write_view(tmp_path, 'wild', 'val', 5, (16, 16))  # the others are still there
    write_view(tmp_path, 'city', 'val', 1, (16, 16))
    assert not (tmp_path / 'city' / 'negatives').exists()
    entry = {'name': 'wild', 'type': 'BaseSegDataset', 'data_root': str(tmp_path / 'wild'),
             'img_suffix': '.png', 'metainfo': {'classes': [f'c{i}' for i in range(18)]},
             'data_prefix': {'img_path': 'images/val', 'seg_map_path': 'labels/val'},
             'negatives': 'negatives/val.txt'}
    found = marks(MultiDataset([entry], pipeline=PLAIN))
    assert found == [is_negative('wild', 'val', 0, i) for i in range(20)] and any(found)


def test_from_the_dataset_through_a_model_to_the_scores():
    data = MultiDataset([{**WILD, 'size': 10, 'image_size': (64, 64)}], pipeline=DRAWN,
                        test_mode=True)
    torch.manual_seed(0)
    cfg = Config.fromfile(ROOT / 'configs/cdcl/cdcl_toyworld3_bn.py').model
    cfg.label_space = {'type': 'by_name'}
    cfg.test_cfg.label_space = 'unified'
    model = MODELS.build(cfg).eval()
    metric = WildDashMetric()
    metric.dataset_meta = data.metainfo
    for i in range(len(data)):
        with torch.no_grad():
            (result,) = model.test_step(pseudo_collate([data[i]]))
        metric.process({}, [result.to_dict()])
    scores = metric.evaluate(len(data))
    assert all(np.isfinite(scores[f'wild/{key}']) for key in
               ('mIoU', 'negative_mIoU', 'meta_avg'))
    assert metric.negative_scores['wild'].images == sum(marks(data))
