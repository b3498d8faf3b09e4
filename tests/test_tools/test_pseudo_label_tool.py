"""``tools/pseudo_label.py``."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from mmseg_multids.apis.build_centroids import labelled_images
from mmseg_multids.apis.trained import build_segmentor
from mmseg_multids.datasets import PseudoLabelDataset
from mmseg_multids.datasets.toyworld.disk import write_view

from ..test_apis.test_build_centroids import small
from .test_plot_tools import call


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A config of the quick start whose `city` lies in files, a checkpoint, and the files."""
    from ..conftest import ROOT
    folder = tmp_path_factory.mktemp('tool')
    cfg = small(ROOT)
    cfg.model.decode_head.head.channels = 8
    write_view(folder / 'data', 'city', 'train', 5, (48, 64))
    write_view(folder / 'data', 'city', 'val', 3, (48, 64))
    classes = labelled_images(small(ROOT), only=['city']).spaces['city'].classes
    city = {'name': 'city', 'type': 'BaseSegDataset', 'metainfo': {'classes': list(classes)},
            'data_root': str(folder / 'data' / 'city'), 'img_suffix': '.png',
            'seg_map_suffix': '.png', 'pipeline': [
                {'type': 'LoadImageFromFile'}, {'type': 'LoadLabelMap'},
                {'type': 'PackSegInputs'}],
            'splits': {s: {'data_prefix': {'img_path': f'images/{s}',
                                           'seg_map_path': f'labels/{s}'}}
                       for s in ('train', 'val')}}
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.datasets[0] = city
    cfg.model.datasets[0] = city
    cfg.dump(folder / 'config.py')
    torch.manual_seed(0)
    torch.save({'state_dict': build_segmentor(cfg).state_dict()}, folder / 'model.pth')
    return folder


@pytest.fixture
def run(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *args: call('pseudo_label', place / 'config.py', place / 'model.pth', *args)


def test_a_folder(run, place, capsys):
    run(place / 'data/city/images/val', '--label-space', 'asia', '--images-of', 'city', '--out',
        'pseudo/city', '--scales', 0.5, 1, '--flip', '--tile', 32, 32, '--soft', 2,
        '--portion', 0.5, 'road=0.25')
    text = capsys.readouterr().out
    assert '3 of 3 images' in text and 'mean confidence' in text and 'pseudo/city' in text
    dataset = PseudoLabelDataset('pseudo/city', soft=True)
    assert len(dataset) == 3 and 'autorickshaw' in dataset.metainfo['classes']
    with open('pseudo/city/manifest.json', encoding='utf-8') as file:
        settings = json.load(file)['settings']
    assert settings['test_cfg'] == {'mode': 'slide', 'crop_size': [32, 32], 'stride': [21, 21]}
    assert settings['portion']['road'] == 0.25 and settings['portion']['sky'] == 0.5
    assert Image.open('pseudo/city/contact_sheet.png').width > 200


def test_a_dataset_is_completed(run, place, tmp_path):
    run('--dataset', 'city', '--label-space', 'unified', '--complete', '--out', 'all')
    for i in range(5):
        given, labels = (np.array(Image.open(folder / f'{i:06d}.png')) for folder in (
            place / 'data/city/labels/train', tmp_path / 'all/labels'))
        assert np.array_equal(labels[given != 255], given[given != 255])  # city's nodes come first
        assert (labels[given == 255] >= 18).all()
    with open('all/manifest.json', encoding='utf-8') as file:
        manifest = json.load(file)
    assert manifest['settings']['images_of'] == 'city' == manifest['settings']['complete']
    run('--dataset', 'city', '--split', 'val', '--label-space', 'city', '--out', 'val')
    assert len(list((tmp_path / 'val' / 'labels').iterdir())) == 3


def test_images_that_cannot_be_read_end_with_1(run, place, tmp_path):
    (tmp_path / 'bad.jpg').write_text('no image')
    good = place / 'data/city/images/val/000000.png'
    with pytest.raises(SystemExit) as info:
        run(tmp_path / 'bad.jpg', good, '--label-space', 'city', '--out', 'out')
    assert '1 image(s) could not be read' in info.value.code and 'bad.jpg: ' in info.value.code
    assert len(list((tmp_path / 'out' / 'labels').rglob('*.png'))) == 1


@pytest.mark.parametrize(('arguments', 'words'), [
    ([], 'name images, folders or files, or a dataset'),
    (['.', '--complete'], '--complete needs'),
    (['.', '--split', 'val'], '--split is one of'),
    (['moon'], 'moon does not exist'),
    (['.'], 'no image in .'),
    (['--dataset', 'moon'], "no dataset 'moon'; its loaders have city, asia, atlas"),
    (['--dataset', 'city', '--split', 'dev'], "no split 'dev'"),
    (['--dataset', 'asia'], 'none of the 6 images'),
    (['--dataset', 'city'], 'name the label space'),
    (['--dataset', 'city', '--label-space', 'mars'], "'mars'"),
])
def test_refusals(run, tmp_path, arguments, words):
    with pytest.raises(SystemExit) as info:
        run(*arguments, '--out', 'out')
    assert words in str(info.value.code) and str(info.value.code).startswith('pseudo_label: ')
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_does_not_fit(place, tmp_path):
    torch.save({'state_dict': {}}, tmp_path / 'empty.pth')
    with pytest.raises(SystemExit, match='does not fit'):
        call('pseudo_label', place / 'config.py', tmp_path / 'empty.pth', '--dataset', 'city',
             '--label-space', 'city', '--out', tmp_path / 'out')
