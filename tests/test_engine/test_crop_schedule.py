"""A run whose crops and batches follow a schedule."""

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from .test_train_loop import PIPELINE, config, weights

CROP = [PIPELINE[0], {'type': 'PlannedCrop'}, *PIPELINE[1:]]


class Shapes(Hook):
    def __init__(self):
        self.seen = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        inputs = data_batch['inputs']
        self.seen.append((len(inputs), tuple(inputs[0].shape[1:])))


def scheduled(folder, workers=0, plan='mixed', **options):
    cfg = config(folder, 6, workers, plan=plan)
    del cfg.train_cfg.max_iters
    cfg.train_dataloader.update(batch_size=2, batch_sampler={
        'type': 'CropScheduleBatchSampler', 'sizes': (16, 32), 'epochs': 4, 'epoch_images': 8,
        'warmup_epochs': 1, **options})
    cfg.train_dataloader.dataset.pipeline = CROP
    cfg.param_scheduler = [{'type': 'PolyLR', 'power': 0.9, 'by_epoch': False, 'begin': 0}]
    return cfg


def trained(cfg):
    runner, hook = Runner.from_cfg(cfg), Shapes()
    runner.register_hook(hook)
    runner.train()
    return runner, hook.seen


@pytest.mark.parametrize('plan', ['mixed', 'concat', 'alternate'])
def test_crops_and_batches_follow_the_schedule(tmp_path, plan):
    runner, seen = trained(scheduled(tmp_path, plan=plan))
    large, small = (2, (32, 32)), (8, (16, 16))
    assert seen == [large] * 4 + [small] + [large] * 4 + [small]
    assert runner.iter == runner.max_iters == 10


@pytest.mark.parametrize('workers', [0, 2])
def test_a_run_that_is_resumed_within_the_schedule_is_the_same(tmp_path, workers):
    whole, seen = trained(scheduled(tmp_path / 'whole', workers))
    cfg = scheduled(tmp_path / 'part', workers)
    cfg.resume, cfg.load_from = True, str(tmp_path / 'whole' / 'iter_3.pth')
    part, rest = trained(cfg)
    assert rest == seen[3:]
    found, expected = weights(part), weights(whole)
    assert all(torch.equal(found[key], value) for key, value in expected.items())


def test_steps_of_several_batches_see_the_schedule_once(tmp_path):
    cfg = scheduled(tmp_path, plan='alternate')
    cfg.train_cfg.step_after = 'cycle'  # one batch of each of two datasets
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == runner.max_iters == 5


def test_a_run_needs_a_length(tmp_path):
    cfg = config(tmp_path, 6)
    del cfg.train_cfg.max_iters
    with pytest.raises(ValueError, match='needs max_iters: only a crop schedule'):
        Runner.from_cfg(cfg).train()
