import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner, load_checkpoint

from ..test_models.toy import NORM

SEGFORMER = {'type': 'SegformerHead', 'in_channels': [64, 128, 256, 512],
             'in_index': [0, 1, 2, 3], 'channels': 8, 'norm_cfg': NORM, 'dropout_ratio': 0.5}
ENTRIES = [{'name': view, 'type': 'ToyWorldDataset', 'view': view, 'image_size': (32, 32),
            'splits': {'train': {'split': 'train', 'size': 20},
                       'val': {'split': 'val', 'size': 2}}} for view in ('city', 'asia')]
PIPELINE = [{'type': 'RenderToyWorld'}, {'type': 'RandomFlip', 'prob': 0.5},
            {'type': 'PhotoMetricDistortion'}, {'type': 'PackSegInputs'}]


def config(work_dir, iters, workers=0, seed=5, plan='mixed', **changes) -> Config:
    cfg = dict(
        default_scope='mmseg', work_dir=str(work_dir), log_level='ERROR',
        experiment_name=f'run_{torch.randint(10 ** 9, ()).item()}',
        model=dict(
            type='MultiDatasetSegmentor', datasets=ENTRIES,
            data_preprocessor=dict(type='SegDataPreProcessor', mean=[0, 0, 0],
                                   std=[255, 255, 255], size_divisor=32),
            backbone=dict(type='ResNet', depth=18, num_stages=4, out_indices=(0, 1, 2, 3),
                          strides=(1, 2, 2, 2), dilations=(1, 1, 1, 1), norm_cfg=NORM),
            decode_head=dict(type='UniSegHead', head=SEGFORMER),
            train_cfg={}, test_cfg=dict(mode='whole')),
        train_dataloader=dict(
            batch_size=4, num_workers=workers, persistent_workers=workers > 0,
            sampler=dict(type='MultiDatasetSampler', plan=dict(type=plan)),
            dataset=dict(type='MultiDataset', datasets=ENTRIES, split='train',
                         pipeline=PIPELINE)),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01)),
        param_scheduler=[dict(type='PolyLR', power=0.9, by_epoch=False, begin=0, end=6)],
        train_cfg=dict(type='MultiDatasetTrainLoop', max_iters=iters, val_interval=1000),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=3)),
        log_processor=dict(by_epoch=False),
        randomness=dict(seed=seed))
    cfg.update(changes)
    return Config(cfg)


def weights(runner) -> dict:
    return {k: v.clone() for k, v in runner.model.state_dict().items()}


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('seed', [5, None])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, workers, seed):
    """With dropout, augmentation, and also where no seed is configured."""
    whole = Runner.from_cfg(config(tmp_path, 6, workers, seed))
    whole.train()
    torch.manual_seed(123)  # the state of the process must not matter
    resumed = Runner.from_cfg(config(tmp_path / 'again', 6, workers, seed, resume=True,
                                     load_from=str(tmp_path / 'iter_3.pth')))
    resumed.train()
    assert resumed.iter == 6
    expected, found = weights(whole), weights(resumed)
    assert all(torch.equal(expected[k], found[k]) for k in expected)
    first = torch.load(tmp_path / 'iter_3.pth', weights_only=False)['state_dict']
    assert any(not torch.equal(first[k], expected[k]) for k in first)


def test_other_seeds_and_iterations_give_other_weights(tmp_path):
    runs = []
    for i, seed in enumerate((5, 6)):
        runner = Runner.from_cfg(config(tmp_path / str(i), 1, seed=seed))
        runner.train()
        runs.append(weights(runner))
    assert any(not torch.equal(runs[0][k], runs[1][k]) for k in runs[0])


def test_another_batch_size_than_the_plans_is_refused(tmp_path):
    cfg = config(tmp_path, 1)
    cfg.train_dataloader.sampler.batch_size = 6
    with pytest.raises(ValueError, match='batch_size=4, its sampler batch_size=6'):
        Runner.from_cfg(cfg).train()


def test_alternating_batches_hold_one_dataset(tmp_path):
    runner = Runner.from_cfg(config(tmp_path, 4, plan='alternate'))
    seen = []
    forward = runner.model.loss
    runner.model.loss = lambda inputs, samples: seen.append(
        {s.metainfo['dataset'] for s in samples}) or forward(inputs, samples)
    runner.train()
    assert seen == [{'city'}, {'asia'}] * 2


@pytest.mark.parametrize('loop', [
    dict(type='IterBasedTrainLoop', max_iters=3), dict(type='EpochBasedTrainLoop', max_epochs=2)])
def test_mmengines_own_loops_work(tmp_path, loop):
    cfg = config(tmp_path, 1, train_cfg=loop)
    cfg.train_dataloader.sampler.batch_size = 4
    if 'max_epochs' in loop:
        cfg.train_dataloader.sampler.epoch_batches = 2
        cfg.log_processor.by_epoch = True
        cfg.param_scheduler = []
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == (4 if 'max_epochs' in loop else 3)


def test_epoch_batches_are_for_epoch_based_loops(tmp_path):
    cfg = config(tmp_path, 1)
    cfg.train_dataloader.sampler.update(batch_size=4, epoch_batches=2)
    with pytest.raises(ValueError, match='epoch_batches'):
        Runner.from_cfg(cfg).train()


def test_validation_visualisation_and_report(tmp_path):
    cfg = config(
        tmp_path, 2,
        train_cfg=dict(type='MultiDatasetTrainLoop', max_iters=2, val_interval=2),
        val_dataloader=dict(
            batch_size=3, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(type='MultiDataset', datasets=ENTRIES, split='val', test_mode=True,
                         pipeline=[PIPELINE[0], PIPELINE[-1]])),
        val_cfg=dict(type='ValLoop'), val_evaluator=dict(type='MultiDatasetIoUMetric'),
        visualizer=dict(type='MultiDatasetVisualizer', name=f'v{tmp_path.name}',
                        vis_backends=[dict(type='LocalVisBackend')]),
        custom_hooks=[dict(type='SegmentationReportHook', images_per_dataset=1)])
    cfg.default_hooks.visualization = dict(type='MultiDatasetVisualizationHook', draw=True,
                                           interval=1)
    runner = Runner.from_cfg(cfg)
    runner.train()
    report = (tmp_path / 'report' / 'report.txt').read_text()
    assert 'city: 2 images' in report and 'autorickshaw' in report and 'harmonic mean' in report
    assert (tmp_path / 'report' / 'grid.png').stat().st_size > 10_000
    pictures = [str(p.relative_to(p.parents[2]))
                for p in tmp_path.rglob('vis_image/**/*.png')]
    assert len(pictures) == 4 and {p.split('/')[1] for p in pictures} == {'city', 'asia'}


def test_the_stock_ema_hook_runs(tmp_path):
    cfg = config(tmp_path, 3, custom_hooks=[dict(type='EMAHook')])
    runner = Runner.from_cfg(cfg)
    runner.train()
    fresh = Runner.from_cfg(copy.deepcopy(cfg)).model
    load_checkpoint(fresh, str(tmp_path / 'iter_3.pth'), map_location='cpu', strict=True)
