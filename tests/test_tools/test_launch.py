import json
import os
import subprocess
import sys

import pytest
from mmengine.config import Config

from mmseg_multids.apis import launch

QUICKSTART = 'configs/quickstart/quickstart_toyworld.py'
SMALL = ['train_cfg.max_iters=2', 'train_cfg.val_interval=2', 'train_dataloader.num_workers=0',
         'train_dataloader.persistent_workers=False',
         'val_dataloader.num_workers=0', 'test_dataloader.num_workers=0',
         'default_hooks.checkpoint.interval=2', 'train_dataloader.batch_size=3',
         'model.decode_head.head.channels=8', 'custom_hooks.0.images_per_dataset=1',
         *(f'{loader}_dataloader.dataset.datasets.{i}.splits.{split}.size=2'
           for loader, split in (('val', 'val'), ('test', 'val')) for i in range(3))]


def run(repo, *command, check=True, **env):
    """Run a script of the repository as its user would, with this interpreter first on the path."""
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ['PATH']
    result = subprocess.run(
        [str(c) for c in command], cwd=repo, text=True, capture_output=True,
        env={**os.environ, 'PATH': path, 'PYTHONPATH': str(repo), 'OMP_NUM_THREADS': '1', **env})
    assert not check or result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A work dir of two iterations."""
    from ..conftest import ROOT
    work_dir = tmp_path_factory.mktemp('trained')
    run(ROOT, sys.executable, 'tools/train.py', QUICKSTART, '--work-dir', work_dir, '--cfg-options',
        *SMALL)
    return work_dir


def test_training_leaves_a_report(trained):
    assert (trained / 'iter_2.pth').is_file()
    assert 'atlas: 2 images' in (trained / 'report' / 'report.txt').read_text()
    assert (trained / 'report' / 'grid.png').is_file()


def test_testing_one_dataset_in_other_label_spaces(repo, trained, tmp_path):
    common = [sys.executable, 'tools/test.py', QUICKSTART, trained / 'iter_2.pth']
    options = ['--cfg-options', *SMALL]
    out = run(repo, *common, '--work-dir', tmp_path, '--dataset', 'asia', '--show-dir',
              tmp_path / 'show', '--out', tmp_path / 'out', *options).stdout
    assert 'asia/mIoU' in out and 'city/mIoU' not in out
    assert len(list((tmp_path / 'out' / 'asia').iterdir())) == 2
    assert len(list((tmp_path / 'show').rglob('test/asia/*.png'))) == 2
    out = run(repo, *common, '--work-dir', tmp_path, '--dataset', 'asia', '--label-space', 'city',
              *options).stdout
    assert 'not predicted' in out  # curbs: no class of city
    out = run(repo, *common, '--work-dir', tmp_path, '--label-space', 'unified', *options).stdout
    assert 'harmonic mean' in out
    shown = run(repo, *common, '--work-dir', tmp_path, '--dataset', 'city', '--split', 'nowhere',
                *options, check=False)
    assert shown.returncode != 0 and 'nowhere' in shown.stderr


def test_test_time_augmentation(repo, trained, tmp_path):
    out = run(repo, sys.executable, 'tools/test.py', QUICKSTART, trained / 'iter_2.pth', '--tta',
              '--work-dir', tmp_path, '--dataset', 'city', '--cfg-options', *SMALL).stdout
    assert 'city/mIoU' in out


@pytest.mark.parametrize(('arguments', 'words'), [
    (['--dataset', 'moon'], "unknown dataset 'moon'; the config tests city, asia, atlas"),
    (['--label-space', 'moon'], "'moon'; the model has city, asia, atlas, unified"),
])
def test_unknown_names_are_refused(trained, tmp_path, arguments, words):
    from ..conftest import ROOT
    with pytest.raises(ValueError, match=words):
        launch.test([str(ROOT / QUICKSTART), str(trained / 'iter_2.pth'), '--work-dir',
                     str(tmp_path), *arguments])


def test_missing_files_are_named(repo):
    with pytest.raises(FileNotFoundError, match='nothing.pth'):
        launch.test([str(repo / QUICKSTART), 'nothing.pth'])
    with pytest.raises(FileNotFoundError, match='nothing.py'):
        launch.train(['nothing.py'])
    with pytest.raises(FileNotFoundError, match='nothing.pth'):
        launch.train([str(repo / QUICKSTART), '--resume', 'nothing.pth'])


def test_a_checkpoint_of_another_label_space_is_refused(repo, trained, tmp_path):
    result = run(repo, sys.executable, 'tools/test.py', QUICKSTART, trained / 'iter_2.pth',
                 '--work-dir', tmp_path, '--cfg-options', *SMALL,
                 'model.label_space.type=by_name', check=False)
    assert result.returncode != 0 and 'nodes: 71 became' in result.stderr


@pytest.mark.parametrize('spelling', ['--local_rank=1', '--local-rank=1'])
def test_both_spellings_of_the_local_rank(spelling):
    assert launch.train_parser().parse_args(['x.py', spelling]).local_rank == 1
    assert launch.test_parser().parse_args(['x.py', 'y.pth', spelling]).local_rank == 1


def test_the_help_does_not_mislead_mim(repo):
    out = run(repo, sys.executable, 'tools/train.py', '-h').stdout
    assert '--gpus' not in out and '--resume' in out


def test_two_processes_on_a_cpu(repo, tmp_path):
    run(repo, 'bash', 'tools/dist_train.sh', QUICKSTART, 2, '--work-dir', tmp_path, '--cfg-options',
        *SMALL, CUDA_VISIBLE_DEVICES='')
    assert 'harmonic mean' in (tmp_path / 'report' / 'report.txt').read_text()
    run(repo, 'bash', 'tools/dist_test.sh', QUICKSTART, tmp_path / 'iter_2.pth', 2, '--work-dir',
        tmp_path, '--cfg-options', *SMALL, CUDA_VISIBLE_DEVICES='')


def test_mmsegmentations_own_script_runs_our_configs(repo, tmp_path):
    import mmseg
    script = os.path.join(os.path.dirname(mmseg.__file__), '.mim', 'tools', 'train.py')
    run(repo, sys.executable, script, QUICKSTART, '--work-dir', tmp_path, '--cfg-options', *SMALL)
    assert (tmp_path / 'iter_2.pth').is_file()


def test_the_label_space_tool(repo, tmp_path):
    path = tmp_path / 'space.json'
    out = run(repo, sys.executable, 'tools/label_space.py', QUICKSTART, '--json', path,
              '--cfg-options', 'model.label_space.type=by_name').stdout
    assert 'shared by several datasets' in out and 'only in asia' in out
    assert json.loads(path.read_text())['datasets'][0]['name'] == 'city'


def test_selecting_a_dataset_leaves_the_model_alone(repo):
    cfg = Config.fromfile(repo / QUICKSTART)
    launch.select_dataset(cfg, 'asia')
    assert [e['name'] for e in cfg.test_dataloader.dataset.datasets] == ['asia']
    assert len(cfg.model.datasets) == 3
