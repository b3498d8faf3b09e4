"""Images that are searched with and tested."""

import logging

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmseg_multids.apis import shared_images as module
from mmseg_multids.apis.cross_eval import warn_if_tested
from mmseg_multids.apis.shared_images import shared_images, warn_of_shared_images
from mmseg_multids.datasets import MultiDataset

from ..conftest import ROOT
from ..miniature import make_all

TINY = {'name': 'tiny', 'type': 'BaseSegDataset', 'metainfo': {'classes': ['ground', 'sky']},
        'img_suffix': '.png', 'seg_map_suffix': '.png'}


@pytest.fixture
def said(monkeypatch):
    """Collect levels and texts."""
    found = []
    monkeypatch.setattr(module, 'print_log', lambda text, logger=None, level=logging.INFO:
                        found.append((level, text)))
    return found


def folder_of(root, split, names):
    for kind in ('images', 'labels'):
        (root / kind / split).mkdir(parents=True)
        for name in names:
            Image.fromarray(np.zeros((4, 4), np.uint8)).save(root / kind / split / f'{name}.png')


def tiny(root, **splits):
    return {**TINY, 'data_root': str(root), 'splits': {
        split: {'data_prefix': {'img_path': f'images/{folder}', 'seg_map_path': f'labels/{folder}'}}
        for split, folder in splits.items()}}


def images(entry, split):
    return MultiDataset([entry], split=split, pipeline=[{'type': 'LoadImageFromFile'}])


def test_files_count_not_their_names(tmp_path, said):
    folder_of(tmp_path, 'one', 'abcd')
    folder_of(tmp_path, 'two', 'abe')  # other images of the same names
    entry = tiny(tmp_path, train='one', val='two', test='one')
    train, val, test = (images(entry, split) for split in ('train', 'val', 'test'))
    assert shared_images(train, val, 'tiny') == 0
    warn_of_shared_images(train, val, 'tiny')
    assert said == []
    assert shared_images(train, test, 'tiny') == 4
    # Links are the files that they lead to.
    link = tmp_path / 'images' / 'two' / 'e.png'
    link.unlink()
    link.symlink_to(tmp_path / 'images' / 'one' / 'c.png')
    assert shared_images(train, val, 'tiny') == 1
    warn_of_shared_images(train, val, 'tiny')
    (level, text), = said
    assert level == logging.WARNING and '1 of the 3 images that are tested' in text


def test_only_images_that_are_looked_at_count(tmp_path, said):
    folder_of(tmp_path, 'one', 'abcd')
    folder_of(tmp_path, 'all', 'wxyz')
    for name in 'xz':
        link = tmp_path / 'images' / 'all' / f'{name}.png'
        link.unlink()
        link.symlink_to(tmp_path / 'images' / 'one' / f'{"b" if name == "x" else "d"}.png')
    entry = tiny(tmp_path, train='one', val='all')
    train, val = images(entry, 'train'), images(entry, 'val')
    assert shared_images(train, val, 'tiny') == 2
    # Two evenly spread ones are the first and the third.
    assert shared_images(train, val, 'tiny', test_images=2) == 0
    assert shared_images(train, val, 'tiny', search_images=2) == 0
    assert shared_images(train, val, 'tiny', search_images=4, test_images=9) == 2


@pytest.mark.parametrize('name', ['kitti', 'wilddash2'])
def test_datasets_without_a_split_of_their_own_are_warned_of(name, tmp_path, monkeypatch, said):
    """Their configs name the same images for every split."""
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(make_all(tmp_path, names=[name])))
    entry = Config.fromfile(ROOT / 'configs' / '_base_' / 'datasets' / f'{name}.py')[name]
    train, val = images(entry, 'train'), images(entry, 'val')
    warn_of_shared_images(train, val, name)
    assert len(said) == 1
    size = val.sizes[name]
    assert said[0][1].startswith(f'{name}: {size} of the {size} images that are tested are also')


def test_a_search_looks_at_what_its_config_tests(tmp_path, said, monkeypatch):
    folder_of(tmp_path, 'one', 'ab')
    folder_of(tmp_path, 'two', 'cd')
    entry = tiny(tmp_path, train='one', val='two', lost='nowhere')
    cfg = Config({'test_dataloader': {'dataset': {
        'type': 'MultiDataset', 'datasets': [entry], 'split': 'val',
        'pipeline': [{'type': 'LoadImageFromFile'}]}}})
    warn_if_tested(cfg, images(entry, 'train'), 'tiny')
    assert said == []
    warn_if_tested(cfg, images(entry, 'val'), 'tiny', 1)
    assert '1 of the 2 images' in said[0][1]
    # A mapping can be searched where the tested images are not.
    cfg.test_dataloader.dataset.split = 'lost'
    monkeypatch.setattr('mmseg_multids.apis.cross_eval.print_log',
                        lambda text, logger=None, level=logging.INFO: said.append((level, text)))
    warn_if_tested(cfg, images(entry, 'val'), 'tiny')
    assert said[1][0] == logging.WARNING and "the split 'lost'" in said[1][1] and len(said) == 2
