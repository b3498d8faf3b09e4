"""Datasets that are tested on but were not trained on."""

import pytest
from mmengine.runner import Runner

from .test_train_loop import ENTRIES, config

VILLAGE = {'name': 'village', 'type': 'ToyWorldDataset', 'view': 'village', 'image_size': (32, 32),
           'splits': {'val': {'split': 'val', 'size': 2}}}
PIPELINE = [{'type': 'RenderToyWorld'}, {'type': 'PackSegInputs'}]


def tested(tmp_path, **model):
    dataset = dict(type='MultiDataset', datasets=[VILLAGE, ENTRIES[0]], split='val',
                   pipeline=PIPELINE, test_mode=True)
    cfg = config(tmp_path, 1, test_cfg={'type': 'TestLoop'},
                 test_evaluator={'type': 'MultiDatasetIoUMetric'},
                 test_dataloader=dict(batch_size=3, num_workers=0, dataset=dataset,
                                      sampler=dict(type='DefaultSampler', shuffle=False)))
    cfg.model.label_space = {'type': 'by_name'}
    cfg.model.test_cfg.update(model)
    cfg.default_hooks.unseen = {'type': 'UnseenDatasetsHook'}
    return cfg


def test_unseen_datasets_are_read_and_scored(tmp_path):
    cfg = tested(tmp_path)
    cfg.model.datasets = [ENTRIES[1]]  # asia has no `terrain`
    runner = Runner.from_cfg(cfg)
    metrics = runner.test()
    assert set(runner.model.unseen) == {'village', 'city'}
    scores = runner.test_loop.evaluator.metrics[0].scores['village']
    assert scores.notes[scores.classes.index('terrain')] == 'not predicted'
    assert scores.notes[scores.classes.index('road')] == ''
    assert metrics['village/mIoU'] >= 0 and runner.test() == metrics
    assert 'unseen/mIoU' not in metrics  # all are


def test_seen_and_unseen_datasets_have_means_of_their_own(tmp_path):
    metrics = Runner.from_cfg(tested(tmp_path)).test()
    assert metrics['unseen/mIoU'] == metrics['village/mIoU']
    assert metrics['seen/mIoU'] == metrics['city/mIoU']


def test_a_chosen_label_space_is_left_alone(tmp_path):
    runner = Runner.from_cfg(tested(tmp_path, label_space='asia'))
    runner.test()
    assert not runner.model.unseen


def test_predictions_over_all_nodes_are_compared_through_the_match(tmp_path):
    """Aliases and the nodes of each head count; a node of no class of the dataset is wrong."""
    cfg = tested(tmp_path, label_space='unified', unseen={
        'aliases': [['asia/curb', 'village/terrain']]})
    cfg.model.label_space = {'type': 'disjoint'}
    cfg.model.datasets = [ENTRIES[1]]
    runner = Runner.from_cfg(cfg)
    runner.test()
    scores = runner.test_loop.evaluator.metrics[0].scores['village']
    assert scores.notes[scores.classes.index('terrain')] == ''


def test_without_the_hook_the_error_names_it(tmp_path):
    cfg = tested(tmp_path)
    del cfg.default_hooks.unseen
    with pytest.raises(ValueError, match="unknown dataset 'village'.*UnseenDatasetsHook"):
        Runner.from_cfg(cfg).test()
