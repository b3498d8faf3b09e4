"""The command-line tools that draw figures."""

import json
import os
import runpy
import subprocess
import sys

import pytest
import torch
from mmseg.registry import MODELS

from ..conftest import ROOT
from ..test_models.toy import model_cfg


def call(tool, *args):
    """Run a tool as from its command line, but here: importing everything anew takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', [f'tools/{tool}.py', *map(str, args)])
        runpy.run_path(str(ROOT / 'tools' / f'{tool}.py'), run_name='__main__')


def refusal(capsys, tool, *args):
    with pytest.raises(SystemExit) as info:
        call(tool, *args)
    assert info.value.code == 2
    return capsys.readouterr().err


@pytest.fixture
def checkpoint(tmp_path):
    """Two datasets whose statistics differ in the first layer."""
    path = tmp_path / 'run' / 'iter_1.pth'
    path.parent.mkdir()
    model = MODELS.build(model_cfg(dataset_norm={}))
    model.backbone.bn1.running_mean[1] += 1
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, path)
    return path


def test_norm_stats(checkpoint, tmp_path):
    """In a process of its own: the tool needs nothing that the tests import."""
    out = subprocess.run(
        [sys.executable, 'tools/plot_norm_stats.py', checkpoint, '--out', tmp_path / 'a.png'],
        cwd=ROOT, env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
        capture_output=True, text=True, timeout=120)
    assert out.returncode == 0, out.stderr
    assert (tmp_path / 'a.png').is_file() and f'picture: {tmp_path / "a.png"}' in out.stdout
    line, = (line for line in out.stdout.splitlines() if 'backbone.bn1 ' in line)
    assert 'one - two' in line and line.count('1.000') == 2


def test_norm_stats_of_chosen_layers_and_labels(checkpoint, tmp_path, capsys):
    call('plot_norm_stats', checkpoint, f'b={checkpoint}', '--out', tmp_path / 'a.png',
         '--layers', r'layer1\.0\.bn', '--labels', 'first', 'second')
    text = capsys.readouterr().out
    assert 'first: one - second: two' in text and 'backbone.layer1.0.bn2' in text
    assert 'layer1.1' not in text


def test_norm_layers_are_listed(checkpoint, capsys):
    call('plot_norm_stats', checkpoint, '--list')
    lines = capsys.readouterr().out.splitlines()
    assert 'backbone.bn1  (filters: backbone.conv1)' in lines and len(lines) == 21


@pytest.mark.parametrize(('arguments', 'words'), [
    ([], '--out FILE is needed'),
    (['--out', 'a.png', '--labels', 'a', 'b'], '--labels has 2 labels for 1 runs'),
    (['--out', 'a.png', '--layers', 'bn9'], "'bn9' fits no batch norm"),
    (['--out', 'a.doc'], 'a.doc: figures are written as .png'),
])
def test_norm_stats_errors(checkpoint, arguments, words, capsys):
    assert words in refusal(capsys, 'plot_norm_stats', checkpoint, *arguments)


@pytest.fixture
def work_dir(tmp_path):
    """What SegmentationReportHook leaves."""
    folder = tmp_path / 'first' / 'report'
    folder.mkdir(parents=True)
    scores = {name: {'classes': classes, 'iou': [0.5] * len(classes), 'notes': [''] * len(classes)}
              for name, classes in (('city', ['road', 'car']), ('asia', ['road', 'cow', 'curb']))}
    (folder / 'scores.json').write_text(json.dumps(scores))
    return folder.parent


def test_class_iou(work_dir, tmp_path, capsys):
    call('plot_class_iou', work_dir, f'again={work_dir}', '--out', tmp_path / 'a.png')
    assert (tmp_path / 'a.png').is_file()
    assert f'picture: {tmp_path / "a.png"}' in capsys.readouterr().out


def test_class_iou_of_one_dataset(work_dir, tmp_path, capsys):
    out = tmp_path / 'a.svg'
    call('plot_class_iou', work_dir, '--out', out, '--dataset', 'asia')
    assert 'asia' in out.read_text() and 'city' not in out.read_text()


@pytest.mark.parametrize(('arguments', 'words'), [
    (['--dataset', 'moon'], "unknown dataset 'moon'; the runs have city, asia"),
    (['--out', 'a.doc'], 'a.doc: figures are written as .png'),
])
def test_class_iou_errors(work_dir, tmp_path, arguments, words, capsys):
    assert words in refusal(capsys, 'plot_class_iou', work_dir, '--out', tmp_path / 'a.png',
                            *arguments)
    assert 'no does not exist' in refusal(capsys, 'plot_class_iou', 'no', '--out', 'a.png')
