"""The configs of CDCL train and evaluate on a few images in the official layouts."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from ..miniature import make_all

SMALL = {'log_level': 'ERROR', 'train_cfg.max_iters': 2, 'train_cfg.val_interval': 2,
         'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False,
         'val_dataloader.num_workers': 0, 'train_dataloader.sampler.crop_size': (64, 64),
         'model.backbone.init_cfg': None}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return make_all(tmp_path_factory.mktemp('data'), images=4)


def run(repo, tmp_path, name, **changes) -> Runner:
    cfg = Config.fromfile(repo / 'configs' / 'cdcl' / f'{name}.py')
    cfg.merge_from_dict({**SMALL, 'work_dir': str(tmp_path / name), 'visualizer.name': name,
                         'experiment_name': f'{tmp_path.name}_{name}', **changes})
    torch.manual_seed(0)
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


@pytest.mark.parametrize('name', [
    'cdcl_r18_cityscapes_bdd100k_camvid', 'cdcl_r18_cityscapes_coco',
    'cdcl_r18_cityscapes_bdd100k_bn_mixed', 'cdcl_r18_cityscapes_bdd100k_bn',
    'cdcl_r18_cityscapes_bdd100k_dsbn', 'single_r18_camvid', 'remap_r18_cityscapes_to_camvid',
    'remap_r18_coco_to_cityscapes', 'cdcl_realbench3', 'cdcl_realbench3_bn_mixed',
    'single_ycor8_realbench3', 'cdcl_toyworld3_bn_dat', 'remap_camvid11_to_ycor8_realbench3',
    'remap_city_to_asia_toyworld3'])
def test_configs_train_and_evaluate(repo, tmp_path, monkeypatch, data, name):
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(data))
    size = 6 if 'mixed' in name else 2
    runner = run(repo, tmp_path, name, **{'train_dataloader.batch_size': size,
                                          'default_hooks.checkpoint.interval': 1000})
    scores = json.loads((tmp_path / name / 'report' / 'scores.json').read_text())
    assert list(scores) == list(runner.val_dataloader.dataset.datasets)
    assert all(score['images'] > 0 for score in scores.values())


def test_finetuning_follows_training_on_the_other_dataset(repo, tmp_path, monkeypatch, data):
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(data))
    small = {'train_dataloader.batch_size': 2}
    run(repo, tmp_path, 'single_r18_cityscapes', **small)
    runner = run(repo, tmp_path, 'finetune_r18_cityscapes_to_camvid', **small, **{
        'model.finetune_from': str(tmp_path / 'single_r18_cityscapes' / 'iter_2.pth'),
        'default_hooks.checkpoint.interval': 1000})
    assert runner.model.label_space.datasets == ('camvid',)


def test_the_hyperparameters_are_the_papers(repo):
    """Section 4.1.2."""
    cfg = Config.fromfile(repo / 'configs' / 'cdcl' / 'cdcl_r18_cityscapes_bdd100k.py')
    assert cfg.optim_wrapper.optimizer == dict(type='SGD', lr=0.01, momentum=0.9,
                                               weight_decay=0.0001)
    schedule, = cfg.param_scheduler
    assert schedule.type == 'PolyLR' and schedule.power == 0.9 and schedule.eta_min == 0
    assert cfg.train_dataloader.batch_size == 8
    steps = {step['type']: step for step in cfg.train_pipeline}
    assert steps['PlannedCrop']['crop_size'] == (512, 512)
    assert steps['RandomScale']['ratio_range'] == (0.5, 2.1) and 'RandomFlip' in steps
    assert cfg.train_cfg.step_after == 'cycle' and cfg.model.dataset_norm == {}
    large = Config.fromfile(
        repo / 'configs' / 'cdcl' / 'cdcl_r101_cityscapes_bdd100k_769x769.py')
    assert large.train_dataloader.sampler.crop_size == (769, 769)
    assert large.model.backbone.depth == 101
