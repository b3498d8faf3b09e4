"""Pretraining in a runner: resuming, unlabelled images, validation by prototypes."""

import pytest
import torch
from mmengine.runner import Runner

from mmseg_multids.apis.export import export
from mmseg_multids.datasets import ToyWorldDataset
from mmseg_multids.registry import DATASETS, MODELS

from ..test_models.toy import NORM
from .test_train_loop import ENTRIES, config, weights

PIPELINE = [{'type': 'RenderToyWorld'}, {'type': 'PretrainViews', 'size': (32, 32)},
            {'type': 'PackSegInputs', 'meta_keys': ('img_path', 'num_views')}]
PHOTOS = {**ENTRIES[0], 'name': 'photos', 'unlabelled': True}


def pretraining(folder, iters=6, datasets=(*ENTRIES, PHOTOS), **changes):
    cfg = config(folder, iters)
    cfg.model = {
        'type': 'MultiDatasetPretrainer', 'datasets': list(datasets),
        'data_preprocessor': {'type': 'SegDataPreProcessor', 'mean': [0, 0, 0],
                              'std': [255, 255, 255], 'size_divisor': 1},
        'backbone': {'type': 'ResNet', 'depth': 18, 'num_stages': 4, 'out_indices': (0, 1, 2, 3),
                     'strides': (1, 2, 2, 2), 'dilations': (1, 1, 1, 1), 'stem_channels': 8,
                     'base_channels': 8, 'norm_cfg': NORM},
        'decode_head': {'type': 'SegformerHead', 'in_channels': [8, 16, 32, 64],
                        'in_index': [0, 1, 2, 3], 'channels': 8, 'norm_cfg': NORM,
                        'dropout_ratio': 0.5},
        'images': 8, 'channels': 8, 'momentum': 0.9, 'threshold': 0.3,
        'mixing': {'region': 0.5, 'pixel': 0.5}, 'consistency': {}, **changes}
    cfg.train_dataloader.batch_size = 6
    cfg.train_dataloader.dataset.update(datasets=list(datasets), pipeline=PIPELINE)
    cfg.custom_hooks = [{'type': 'PrototypeContrastHook', 'contrast_from': 1, 'interval': 2}]
    cfg.param_scheduler = None
    return cfg


def whole_classes(view):
    return ToyWorldDataset.metainfo_from_cfg({'view': view})['classes']


@DATASETS.register_module()
class WithUnicorns(ToyWorldDataset):
    """ToyWorld with a class that no image shows."""

    def __init__(self, metainfo=None, **kwargs):
        super().__init__(**kwargs)

    @classmethod
    def metainfo_from_cfg(cls, cfg):
        found = dict(super().metainfo_from_cfg({k: v for k, v in cfg.items() if k != 'metainfo'}))
        return {'classes': (*found['classes'], 'unicorn'),
                'palette': [*found['palette'], [1, 2, 3]]}


@pytest.mark.parametrize('changes', [
    {}, {'dataset_norm': {}},
    {'contrast': 'region', 'mixing': None, 'consistency': None, 'datasets': ENTRIES}])
def test_a_resumed_run_is_the_same(tmp_path, changes):
    def made(folder):
        cfg = pretraining(folder, **changes)
        if 'contrast' in changes:
            cfg.custom_hooks = []
        return cfg

    whole = Runner.from_cfg(made(tmp_path / 'whole'))
    whole.train()
    cfg = made(tmp_path / 'part')
    cfg.resume, cfg.load_from = True, str(tmp_path / 'whole' / 'iter_3.pth')
    part = Runner.from_cfg(cfg)
    part.train()
    found, expected = weights(part), weights(whole)
    assert any('momentum_encoder' in key for key in found)
    assert all(torch.equal(found[key], value) for key, value in expected.items())


def test_what_is_logged(tmp_path):
    runner = Runner.from_cfg(pretraining(tmp_path))
    runner.train()
    scalars = runner.message_hub.log_scalars
    for key in ('loss_contrast', 'loss_mixed', 'loss_consistency'):
        assert scalars[f'train/{key}'].current() > 0
    assert 0 < scalars['train/prototypes/coverage'].current() <= 1
    assert 0 <= scalars['train/photos.accepted'].current() <= 1


def test_validation_is_by_the_nearest_prototype(tmp_path):
    cfg = pretraining(tmp_path, iters=2)
    pipeline = [{'type': 'RenderToyWorld'}, {'type': 'PackSegInputs'}]
    cfg.val_dataloader = {'batch_size': 2, 'num_workers': 0, 'sampler': {
        'type': 'DefaultSampler', 'shuffle': False}, 'dataset': {
            'type': 'MultiDataset', 'datasets': ENTRIES, 'split': 'val', 'pipeline': pipeline,
            'test_mode': True}}
    cfg.val_evaluator, cfg.val_cfg = {'type': 'MultiDatasetIoUMetric'}, {'type': 'ValLoop'}
    cfg.train_cfg.val_interval = 2
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.message_hub.log_scalars['val/city/mIoU'].current() > 0


def test_the_window_counts_labelled_images(tmp_path):
    runner = Runner.from_cfg(pretraining(tmp_path, iters=2))
    runner.train()
    assert runner.model.bank.num_batches == 2  # of four labelled images each
    half = Runner.from_cfg(pretraining(tmp_path / 'half', iters=2, images=None))
    half.train()
    assert half.model.bank.num_batches == 5  # half of 2 x 20
    with pytest.raises(ValueError, match='bank has batch_size=6, but 1 process.*on 4 labelled'):
        Runner.from_cfg(pretraining(tmp_path, batch_size=6)).train()


def test_weights_are_loaded_without_knowing_the_window(tmp_path):
    runner = Runner.from_cfg(pretraining(tmp_path, iters=3))
    runner.train()
    other = MODELS.build(pretraining(tmp_path, images=None).model)
    other.load_state_dict(runner.model.state_dict())
    assert torch.equal(other.bank.prototypes()[0], runner.model.bank.prototypes()[0])


def test_classes_that_no_image_shows_are_named(tmp_path):
    metainfo = {'classes': (*whole_classes('city'), 'unicorn')}
    entry = {**ENTRIES[0], 'type': 'WithUnicorns', 'metainfo': metainfo}
    cfg = pretraining(tmp_path, iters=4, datasets=[entry, ENTRIES[1]])
    cfg.log_level = 'INFO'
    runner = Runner.from_cfg(cfg)
    runner.train()
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert 'city/unicorn' in log.partition('no labelled image of the last')[2]
    assert 'left out of the contrast' in log and runner.message_hub.get_scalar(
        'train/loss_contrast').current() > 0


def test_loaders_and_model_must_have_the_same_datasets(tmp_path):
    cfg = pretraining(tmp_path)
    cfg.model.datasets = cfg.model.datasets[:1]
    with pytest.raises(ValueError, match="train_dataloader has the dataset 'asia', which model"):
        Runner.from_cfg(cfg).train()
    cfg = pretraining(tmp_path, datasets=[ENTRIES[0], PHOTOS])
    cfg.val_dataloader = {'batch_size': 1, 'num_workers': 0, 'dataset': {
        'type': 'MultiDataset', 'datasets': ENTRIES, 'split': 'val', 'pipeline': PIPELINE[:1]},
        'sampler': {'type': 'DefaultSampler', 'shuffle': False}}
    cfg.val_evaluator, cfg.val_cfg = {'type': 'MultiDatasetIoUMetric'}, {'type': 'ValLoop'}
    with pytest.raises(ValueError, match="val_dataloader has the dataset 'asia', which has no pro"):
        Runner.from_cfg(cfg).train()


def test_a_pretrainers_weights_are_no_segmentors(tmp_path):
    runner = Runner.from_cfg(pretraining(tmp_path, iters=2))
    runner.train()
    cfg = config(tmp_path / 'after', 1)
    cfg.load_from = str(tmp_path / 'iter_2.pth')
    with pytest.raises(ValueError, match='those of a pretrainer: write its backbone'):
        Runner.from_cfg(cfg).train()
    checkpoint = cfg.load_from
    cfg = config(tmp_path / 'tuned', 1)
    cfg.model.finetune_from = checkpoint
    with pytest.raises(ValueError, match=f'finetune_from={checkpoint}: the weights are those of a '
                                         f'pretrainer.*tools/export.py {checkpoint} --backbone'):
        Runner.from_cfg(cfg).train()
    with pytest.raises(TypeError, match='the model is a MultiDatasetPretrainer; .*tools/export.py '
                                        'CHECKPOINT --backbone'):
        export(checkpoint, 'city')


def groups_of_optimiser(cfg):
    """Names of the parameters that an optimiser gets, and what is set for them."""
    cfg.log_level = 'INFO'
    runner = Runner.from_cfg(cfg)
    runner.model.encoder.backbone.conv1.requires_grad_(False)
    wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
    names = {id(p): name for name, p in runner.model.named_parameters()}
    return [({names[id(p)] for p in group['params']},
             {k: v for k, v in group.items() if k != 'params'})
            for group in wrapper.optimizer.param_groups]


def test_no_warning_of_the_momentum_encoder_and_all_others(tmp_path, capsys):
    found = {}
    for kind in ('DefaultOptimWrapperConstructor', 'PretrainingOptimWrapperConstructor'):
        cfg = pretraining(tmp_path / kind)
        cfg.optim_wrapper.update(constructor=kind, paramwise_cfg={'norm_decay_mult': 0.0})
        cfg.optim_wrapper.optimizer.weight_decay = 0.01
        capsys.readouterr()
        groups = groups_of_optimiser(cfg)
        said = capsys.readouterr()
        lines = [line for line in (said.out + said.err).splitlines() if 'is skipped since' in line]
        found[kind] = groups, lines
    (stock, stock_lines), (own, own_lines) = found.values()
    assert stock == own and len(own) > 10
    assert not any('momentum_encoder' in name for names, _ in own for name in names)
    assert sum('momentum_encoder' in line for line in stock_lines) > 10
    assert [line.split('WARNING')[1] for line in own_lines] == [
        ' - encoder.backbone.conv1.weight is skipped since its requires_grad=False']
