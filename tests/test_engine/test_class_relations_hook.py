"""Two stages in one run."""

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_multids.label_spaces import ClassRelations

from .test_train_loop import config, weights


def staged(tmp_path, iters=5, begin=3, **changes):
    cfg = config(tmp_path, iters, plan='concat', **changes)
    cfg.model.label_space = {'type': 'by_name'}
    cfg.model.decode_head.classifier = {'type': 'CosineNodeClassifier'}
    cfg.model.decode_head.loss_decode = {'type': 'ClassRelationalBCELoss'}
    val = {**cfg.train_dataloader.dataset, 'split': 'val', 'pipeline': [
        {'type': 'RenderToyWorld'}, {'type': 'PackSegInputs'}]}
    cfg.val_dataloader = dict(batch_size=1, num_workers=0, dataset=val,
                              sampler=dict(type='DefaultSampler', shuffle=False))
    cfg.val_evaluator = {'type': 'MultiDatasetIoUMetric'}
    cfg.val_cfg = {'type': 'ValLoop'}
    cfg.custom_hooks = [{'type': 'ClassRelationsHook', 'begin': begin, 'tau': -1.0,
                         'max_images': 4}]
    cfg.default_hooks.checkpoint.interval = 1
    return cfg


def test_relations_are_gathered_between_the_stages(tmp_path):
    runner = Runner.from_cfg(staged(tmp_path))
    runner.train()
    found = ClassRelations.from_json(tmp_path / 'class_relations' / 'relations.json')
    assert found.relations() and (tmp_path / 'class_relations' / 'relations.png').is_file()
    before, after = (torch.load(tmp_path / f'iter_{i}.pth', weights_only=False)['state_dict']
                     for i in (3, 4))
    key = 'decode_head.loss_decode.0.table_asia'
    assert not torch.equal(before[key], after[key])
    assert after[key].tolist() == found.table('asia').tolist()


def restarted(tmp_path, **changes):
    """The second stage from scratch and with another classifier, as the paper has it."""
    cfg = staged(tmp_path, **changes)
    cfg.model.decode_head.classifier = {
        'type': 'StagedNodeClassifier',
        'stages': [{'type': 'CosineNodeClassifier'}, {'type': 'LinearNodeClassifier'}]}
    cfg.custom_hooks[0].restart = True
    cfg.param_scheduler = [dict(type='PolyLR', by_epoch=False, begin=0, end=3),
                           dict(type='PolyLR', by_epoch=False, begin=3, end=5)]
    return cfg


@pytest.mark.parametrize('make', [staged, restarted])
@pytest.mark.parametrize('at', [2, 3, 4])
def test_resuming_in_either_stage_equals_an_uninterrupted_run(tmp_path, at, make):
    whole = Runner.from_cfg(make(tmp_path))
    whole.train()
    again = Runner.from_cfg(make(tmp_path / 'again', resume=True,
                                 load_from=str(tmp_path / f'iter_{at}.pth')))
    again.train()
    expected, found = weights(whole), weights(again)
    assert all(torch.equal(expected[k], found[k]) for k in expected)


def test_the_second_stage_starts_afresh(tmp_path):
    class Watch(Hook):
        def __init__(self):
            self.seen = {}

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            self.seen[batch_idx] = (weights(runner), runner.optim_wrapper.get_lr()['lr'][0],
                                    len(runner.optim_wrapper.optimizer.state))

    runner = Runner.from_cfg(restarted(tmp_path))
    watch = Watch()
    runner.register_hook(watch, priority='LOWEST')
    first = weights(runner)
    runner.train()
    (before, low, some), (after, high, none) = watch.seen[2], watch.seen[3]
    assert low < 0.01 and high == 0.01 and watch.seen[4][1] < 0.01
    assert some and not none
    counts = 'backbone.bn1.num_batches_tracked'
    assert before[counts] == 2 and after[counts] == 0
    weight = 'backbone.conv1.weight'
    assert not torch.equal(after[weight], before[weight])
    assert not torch.equal(after[weight], first[weight])  # other random numbers than the first's
    stage = 'decode_head.classifier.stage'
    assert before[stage] == 0 and after[stage] == 1
    linear = 'decode_head.classifier.stages.1.weight'
    last = weights(runner)
    assert not torch.equal(last[linear], after[linear])


def test_a_warm_up_of_the_second_stage_begins_where_the_first_ones_did(tmp_path):
    class Rates(Hook):
        def __init__(self):
            self.seen = []

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            self.seen.append(runner.optim_wrapper.get_lr()['lr'][0])

    cfg = restarted(tmp_path, iters=8, begin=4)
    cfg.param_scheduler = [
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=2),
        dict(type='CosineAnnealingLR', by_epoch=False, begin=2, end=4),
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=4, end=6),
        dict(type='CosineAnnealingLR', by_epoch=False, begin=6, end=8)]
    runner = Runner.from_cfg(cfg)
    rates = Rates()
    runner.register_hook(rates, priority='LOWEST')
    runner.train()
    assert rates.seen[4:] == pytest.approx(rates.seen[:4]) and rates.seen[0] == 0.001


def test_averaged_weights_cannot_start_afresh(tmp_path):
    cfg = restarted(tmp_path)
    cfg.custom_hooks.append({'type': 'EMAHook'})
    with pytest.raises(ValueError, match='EMAHook go together with restart=False'):
        Runner.from_cfg(cfg).train()
    cfg = staged(tmp_path)
    cfg.custom_hooks.append({'type': 'EMAHook', 'update_buffers': True})
    with pytest.raises(ValueError, match='without update_buffers=True'):
        Runner.from_cfg(cfg).train()


def test_weights_of_a_second_stage_are_no_start(tmp_path):
    Runner.from_cfg(staged(tmp_path)).train()
    again = staged(tmp_path / 'again', load_from=str(tmp_path / 'iter_5.pth'))
    with pytest.raises(ValueError, match='have class relations already'):
        Runner.from_cfg(again).train()


def test_accumulated_gradients_end_with_the_first_stage(tmp_path):
    class Watch(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if batch_idx == 3:
                self.left = sum(float(p.grad.abs().sum()) for p in runner.model.parameters()
                                if p.grad is not None)

    cfg = restarted(tmp_path, iters=6)
    cfg.optim_wrapper.accumulative_counts = 2
    runner = Runner.from_cfg(cfg)
    watch = Watch()
    runner.register_hook(watch, priority='LOWEST')
    runner.train()
    assert watch.left == 0


@pytest.mark.parametrize(('change', 'error', 'words'), [
    (lambda c: c.custom_hooks[0].update(begin=9), ValueError, 'begin=9 must be above 0 and below'),
    (lambda c: c.custom_hooks[0].update(tau='high'), ValueError, "tau='high': a number is needed"),
    (lambda c: c.custom_hooks[0].update(similarity='dot'), ValueError, "similarity='dot'"),
    (lambda c: c.model.decode_head.pop('classifier'), TypeError, 'has a LinearNodeClassifier'),
    (lambda c: c.model.decode_head.loss_decode.update(type='NullBCELoss'), ValueError,
     'ClassRelationalBCELoss'),
    (lambda c: [c.pop(k) for k in ('val_dataloader', 'val_cfg', 'val_evaluator')], ValueError,
     'needs train_dataloader.dataset and'),
])
def test_what_cannot_work_is_refused_before_the_first_stage(tmp_path, change, error, words):
    cfg = staged(tmp_path)
    change(cfg)
    with pytest.raises(error, match=words):
        Runner.from_cfg(cfg).train()
    assert not list(tmp_path.glob('*.pth'))
