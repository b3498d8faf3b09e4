"""``tools/self_train.py``."""

import json
import shutil

import pytest
import torch

from mmseg_multids.apis.trained import build_segmentor

from ..test_apis.selftraining import CITY, place, training
from .test_plot_tools import call


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A student's config beside its teacher's; one of the images cannot be read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    cfg = place(tmp_path, teacher='teacher.py')
    shutil.copytree(tmp_path / 'images/city/images/train', tmp_path / 'unlabelled')
    (tmp_path / 'unlabelled' / 'bad.jpg').write_text('no image')
    cfg.self_training.images = ['unlabelled']
    cfg.dump(tmp_path / 'student.py')
    torch.save({'state_dict': build_segmentor(training([CITY])).state_dict()}, 'given.pth')
    return tmp_path / 'student.py'


def test_one_command(config, tmp_path, capsys):
    with pytest.raises(SystemExit) as info:
        call('self_train', config, '--seed', 4, '--workers', 0, '--cfg-options',
             'train_cfg.max_iters=1')
    assert info.value.code.startswith('self_train: all stages are done, but 1 image(s) could not')
    assert '\n  bad.jpg: ' in info.value.code
    text = capsys.readouterr().out
    assert 'teacher: training in work_dirs/student/teacher' in text
    assert 'work_dirs/student/loop1/student/iter_1.pth' in text and '| stage ' in text
    summary = json.loads((tmp_path / 'work_dirs/student/self_training.json').read_text())
    assert [stage['name'] for stage in summary['stages']] == ['teacher', 'student 1']
    assert summary['config'].endswith('student.py') and 'bad.jpg' in summary[
        'unreadable_images']['1']
    # Another seed or other options are another run.
    with pytest.raises(SystemExit, match='self_train: teacher: .*randomness.seed was 4, and is 5'):
        call('self_train', config, '--seed', 5)
    with pytest.raises(SystemExit, match='self_train: student 1: .*max_iters was 1, and is 3'):
        call('self_train', config, '--seed', 4)


def test_nothing_went_wrong(config, tmp_path, capsys):
    (tmp_path / 'unlabelled' / 'bad.jpg').unlink()
    call('self_train', config, '--teacher', 'given.pth', '--work-dir', 'run', '--workers', 0,
         '--cfg-options', 'train_cfg.max_iters=1', 'train_dataloader.sampler.centroids=None')
    assert 'summary: run/self_training.json' in capsys.readouterr().out
    assert sorted(p.name for p in (tmp_path / 'run').iterdir()) == ['loop1', 'self_training.json']
    assert not (tmp_path / 'run' / 'loop1' / 'centroids.npz').exists()


@pytest.mark.parametrize(('arguments', 'words'), [
    (['--loops', 0], 'loops=0'), (['--workers', -1], 'workers=-1'),
    (['--teacher', 'moon.pth'], 'checkpoint moon.pth of the teacher does not exist'),
    (['--cfg-options', 'self_training.teacher=moon.py'], 'moon.py does not exist'),
    (['--cfg-options', 'self_training.images=moon'], 'self_training.images of config .*moon')])
def test_refusals(config, tmp_path, arguments, words):
    with pytest.raises(SystemExit, match=f'^self_train: .*{words}'):
        call('self_train', config, *arguments)
    with pytest.raises(SystemExit, match='self_train: config file moon.py does not exist'):
        call('self_train', 'moon.py', *arguments)
    assert not (tmp_path / 'work_dirs').exists()


def test_help(capsys):
    with pytest.raises(SystemExit) as info:
        call('self_train', '--help')
    text = capsys.readouterr().out
    assert info.value.code == 0 and '--gpus' not in text  # mim would pass it on
    assert all(word in text for word in ('--teacher', '--loops', '--work-dir', '--launcher'))
