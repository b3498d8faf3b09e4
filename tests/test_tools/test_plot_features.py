"""t-SNE of pixel features, from checkpoints to picture and page."""

import json
import re
import runpy
import sys
from html import unescape

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from mmseg_multids.registry import MODELS

from ..conftest import ROOT


def save(folder, name, config, seed=0, channels=8):
    """A random model of two small ToyWorld views, and its config."""
    cfg = Config.fromfile(ROOT / 'configs' / config)
    entries = [e for e in cfg.datasets if e['name'] in ('city', 'asia')]
    for entry in entries:
        entry['image_size'] = (64, 96)
        for split in entry['splits'].values():
            split['size'] = 6
    cfg.model.datasets = cfg.datasets = entries
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.datasets = entries
        loader.update(num_workers=0, persistent_workers=False)
    cfg.model.decode_head.head.channels = channels
    torch.manual_seed(seed)
    model = MODELS.build(cfg.model)
    model.init_weights()
    path = folder / name / 'iter_1.pth'
    path.parent.mkdir()
    torch.save({'state_dict': model.state_dict(), 'meta': {'cfg': cfg.dump()}}, path)
    cfg.dump(folder / name / 'config.py')
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, folder / name / 'bare.pth')
    return path


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    init_default_scope('mmseg')
    folder = tmp_path_factory.mktemp('runs')
    return [save(folder, 'first', 'quickstart/quickstart_toyworld.py'),
            save(folder, 'second', 'quickstart/quickstart_toyworld.py', 1, 12)]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the tool in this process: another would spend its time on importing."""
    def run(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, 'argv', ['plot_features.py', *map(str, arguments)])
        runpy.run_path(str(ROOT / 'tools' / 'plot_features.py'), run_name='__main__')
        return capsys.readouterr().out

    return run


SMALL = ('--per-class', 6, '--classes', 4, '--perplexity', 5)


def data_of(page):
    text = page.read_text()
    return json.loads(re.search('id="data">(.*?)</script>', text, re.S)[1])


def test_two_models_on_the_same_pixels(run, runs, tmp_path):
    out = run(runs[0], f'other={runs[1]}', *SMALL, '--out', tmp_path / 'a' / 'b.png')
    assert Image.open(tmp_path / 'a' / 'b.png').size[0] > 1000
    data = data_of(tmp_path / 'a' / 'b.html')
    assert [panel['label'] for panel in data['panels']] == ['first', 'other']
    assert [d['name'] for d in data['datasets']] == ['city', 'asia']
    assert len(data['ofClass']) == 48 == len(data['panels'][1]['points'])
    assert {data['ofClass'].count(c) for c in range(8)} == {6}
    assert data['panels'][0]['points'] != data['panels'][1]['points']
    assert '48 pixels of 8 classes' in out and f'page: {tmp_path / "a" / "b.html"}' in out
    assert re.search(r'\| first +\| city +\| +\d+\.\d \| +25\.0 \|', out)
    assert re.search(r'\| other +\| city .*\n\| +\| asia .*\n\| +\| all ', out)


def test_the_same_again_and_another_seed(run, runs, tmp_path):
    pages = []
    for i, seed in enumerate((0, 0, 1)):
        run(runs[0], *SMALL, '--out', f'{i}.png', '--seed', seed, '--dataset', 'asia')
        pages.append((tmp_path / f'{i}.html').read_text())
    assert pages[0] == pages[1] != pages[2]
    assert [d['name'] for d in data_of(tmp_path / '0.html')['datasets']] == ['asia']


def test_backbone_training_images_and_a_config(run, runs, tmp_path):
    folder = runs[0].parent
    out = run(folder / 'bare.pth', '--config', folder / 'config.py', '--layer', 'backbone',
              '--split', 'train', '--per-class', 5, '--classes', 2, '--perplexity', 2,
              '--out', 'a.svg')
    assert 'picture: a.svg' in out
    text = unescape((tmp_path / 'a.html').read_text())
    assert (tmp_path / 'a.svg').is_file()
    assert "backbone's last stage" in text and '5 pixels of each class, train images' in text


@pytest.mark.parametrize(('arguments', 'words'), [
    (['--dataset', 'moon'], "unknown dataset 'moon'; known: city, asia"),
    (['--perplexity', '30'], 'perplexity=30 needs at least 92 points'),
    (['--per-class', '9999'], 'no class has 9999 labelled pixels in 6 image(s) of city'),
    (['--images', '0'], 'max_images=0: at least 1'),
    (['--config', 'a', 'b'], '--config has 2 files for 1 checkpoints'),
    (['--out', 'a.doc'], 'a.doc: figures are written as .png'),
    (['--config', 'no.py'], 'config file no.py does not exist'),
])
def test_errors_are_one_line(run, runs, tmp_path, arguments, words):
    with pytest.raises(SystemExit) as error:
        run(runs[0], *SMALL, '--out', 'a.png', *arguments)
    assert error.value.code.startswith('plot_features: ') and words in error.value.code
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_that_are_not_there_or_not_told_apart(run, runs):
    with pytest.raises(SystemExit, match='checkpoint no.pth does not exist'):
        run('no.pth')
    with pytest.raises(SystemExit, match="2 runs are called 'a'"):
        run(f'a={runs[0]}', f'a={runs[1]}')
