"""Two stages in one run."""

import pytest
import torch
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


@pytest.mark.parametrize('at', [2, 3, 4])
def test_resuming_in_either_stage_equals_an_uninterrupted_run(tmp_path, at):
    whole = Runner.from_cfg(staged(tmp_path))
    whole.train()
    again = Runner.from_cfg(staged(tmp_path / 'again', resume=True,
                                   load_from=str(tmp_path / f'iter_{at}.pth')))
    again.train()
    expected, found = weights(whole), weights(again)
    assert all(torch.equal(expected[k], found[k]) for k in expected)


@pytest.mark.parametrize(('change', 'error', 'words'), [
    (lambda c: c.custom_hooks[0].update(begin=9), ValueError, 'begin=9 must be above 0 and below'),
    (lambda c: c.custom_hooks[0].update(similarity='dot'), ValueError, "similarity='dot'"),
    (lambda c: c.model.decode_head.pop('classifier'), TypeError, 'has a LinearNodeClassifier'),
    (lambda c: c.model.decode_head.loss_decode.update(type='NullBCELoss'), ValueError,
     'ClassRelationalBCELoss'),
])
def test_what_cannot_work_is_refused_before_the_first_stage(tmp_path, change, error, words):
    cfg = staged(tmp_path)
    change(cfg)
    with pytest.raises(error, match=words):
        Runner.from_cfg(cfg).train()
    assert not list(tmp_path.glob('*.pth'))
