"""``tools/test.py --multi-label``."""

import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from PIL import Image

from mmseg_multids.apis import launch

from ..conftest import ROOT

CONFIG = str(ROOT / 'configs/quickstart/quickstart_toyworld.py')
SMALL = ['model.decode_head.head.channels=8', 'model.label_space.type=by_name',
         'test_dataloader.num_workers=0', 'test_dataloader.batch_size=2',
         *(f'test_dataloader.dataset.datasets.{i}.splits.val.size=3' for i in range(3))]


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Random weights that predict many classes."""
    torch.manual_seed(0)
    cfg = Config.fromfile(CONFIG)
    cfg.model.decode_head.head.channels = 8
    cfg.model.label_space = {'type': 'by_name'}
    model = MODELS.build(cfg.model)
    torch.nn.init.normal_(model.decode_head.classifier.weight, std=3)
    path = tmp_path_factory.mktemp('weights') / 'random.pth'
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, path)
    return path


def run(checkpoint, tmp_path, *arguments):
    return launch.test([CONFIG, str(checkpoint), '--work-dir', str(tmp_path / 'work'),
                        '--cfg-options', *SMALL, *arguments])


def read(path):
    return np.array(Image.open(path))


def test_maps_names_and_pictures_are_written_and_scores_stay(checkpoint, tmp_path):
    usual = run(checkpoint, tmp_path, '--out', str(tmp_path / 'usual'))
    both = run(checkpoint, tmp_path, '--out', str(tmp_path / 'out'), '--show-dir',
               str(tmp_path / 'show'), '--multi-label')
    assert both == usual
    maps = tmp_path / 'out' / 'multi_label'
    about = json.loads((maps / 'names.json').read_text())
    assert about['threshold'] == 0.1 and about['activation'] == 'softmax'
    assert len(about['nodes']) == len(about['palette']) == len(about['class_of_node']['city'])
    foreign = 0
    for dataset in ('city', 'asia', 'atlas'):
        table = np.array(about['class_of_node'][dataset])
        for i in range(3):
            name = f'{dataset}/{i:06d}.png'
            own, combined = read(tmp_path / 'out' / name), read(maps / name)
            np.testing.assert_array_equal(own, read(tmp_path / 'usual' / name))
            np.testing.assert_array_equal(table[combined][table[combined] >= 0],
                                          own[table[combined] >= 0])
            foreign += (table[combined] < 0).sum()
            assert (tmp_path / 'show' / 'multi_label' / name).is_file()
    assert foreign > 0


def test_a_threshold_of_one_leaves_the_own_classes(checkpoint, tmp_path):
    run(checkpoint, tmp_path, '--out', str(tmp_path), '--multi-label', '1', '--dataset', 'asia',
        '--label-space', 'city')
    about = json.loads((tmp_path / 'multi_label' / 'names.json').read_text())
    assert about['threshold'] == 1.0
    table = np.array(about['class_of_node']['city'])
    files = sorted((tmp_path / 'multi_label' / 'asia').iterdir())
    assert len(files) == 3 and not (tmp_path / 'multi_label' / 'city').exists()
    for file in files:
        np.testing.assert_array_equal(table[read(file)], read(tmp_path / 'asia' / file.name))


@pytest.mark.parametrize(('arguments', 'words'), [
    (['--multi-label'], 'give --out DIR'),
    (['--out', 'x', '--multi-label', '--tta'], 'leave one of them out'),
    (['--out', 'x', '--multi-label', '--label-space', 'unified'], 'name a dataset with --label'),
])
def test_what_does_not_go_together_is_refused(checkpoint, tmp_path, arguments, words):
    with pytest.raises(ValueError, match=words):
        run(checkpoint, tmp_path, *arguments)


@pytest.mark.parametrize('value', ['1.5', '-1', 'configs/x.py'])
def test_thresholds_are_scores(capsys, value):
    with pytest.raises(SystemExit):
        launch.test_parser().parse_args([f'--multi-label={value}', 'x.py', 'y.pth'])
    assert 'no score from 0 to 1' in capsys.readouterr().err
