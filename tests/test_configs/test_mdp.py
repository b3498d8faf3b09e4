"""The configs of MDP: fine-tuning as the paper has it, and that it starts from given weights."""

import json
from copy import deepcopy
from functools import cache

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmseg_multids.apis.export_backbone import export_backbone
from mmseg_multids.apis.launch import train_parser
from mmseg_multids.registry import MODELS

from ..conftest import ROOT
from ..miniature import make_all

FOLDER = ROOT / 'configs' / 'mdp'
#: Iterations, height and width of crops, batch, size of images; section 4.1 and MMSegmentation's
#: configs of the datasets.
FINETUNED = {
    'pascal_voc': (40000, (513, 513), 16, (2048, 512)),
    'ade20k': (80000, (512, 512), 16, (2048, 512)),
    'coco_stuff164k': (80000, (512, 512), 16, (2048, 512)),
    'cityscapes': (40000, (512, 1024), 8, (2048, 1024)),
}
CASES = [*(f'finetune_r50_{name}' for name in FINETUNED), 'probe_r50_pascal_voc']
#: A sixteenth of the width: whether the parts fit is all that is asked.
NARROW = {'model.backbone.stem_channels': 4, 'model.backbone.base_channels': 4,
          'model.decode_head.head.in_channels': 128, 'model.decode_head.head.c1_in_channels': 16,
          'model.decode_head.head.channels': 8, 'model.decode_head.head.c1_channels': 4}
SMALL = {**NARROW, 'log_level': 'ERROR', 'train_cfg.max_iters': 2, 'train_cfg.val_interval': 2,
         'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False,
         'val_dataloader.num_workers': 0, 'train_dataloader.batch_size': 2,
         'train_dataloader.sampler.crop_size': (65, 65),  # odd, as 513 is
         'train_dataloader.dataset.pipeline.2.scale': (256, 96),
         'val_dataloader.dataset.pipeline.1.scale': (256, 96)}

_read = cache(Config.fromfile)


def config(name):
    return deepcopy(_read(FOLDER / f'{name}.py'))


@pytest.mark.parametrize('name', CASES)
def test_the_settings_of_the_paper(name):
    cfg = config(name)
    dataset = name.partition('r50_')[2]
    iters, crop, size, scale = FINETUNED[dataset]
    assert cfg.train_cfg.max_iters == iters and cfg.train_cfg.val_interval <= 4000
    assert cfg.optim_wrapper.optimizer == {'type': 'SGD', 'lr': 0.01, 'momentum': 0.9,
                                           'weight_decay': 0.0005}
    schedule, = cfg.param_scheduler
    assert schedule == {'type': 'PolyLR', 'power': 0.9, 'eta_min': 1e-4, 'by_epoch': False,
                        'begin': 0}  # to the end of training
    assert cfg.train_dataloader.batch_size == size
    steps = {step['type']: step for step in cfg.train_dataloader.dataset.pipeline}
    planned = cfg.train_dataloader.sampler.get('crop_size', steps['PlannedCrop'].crop_size)
    assert planned == crop and steps['PlannedCrop'].cat_max_ratio == 0.75
    assert steps['RandomResize'].scale == scale and steps['RandomResize'].keep_ratio
    assert steps['RandomResize'].ratio_range == (0.5, 2.0)
    assert {'RandomFlip', 'PhotoMetricDistortion'} <= set(steps)
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.pipeline[1] == {'type': 'Resize', 'scale': scale, 'keep_ratio': True}
        assert [e.name for e in loader.dataset.datasets] == [dataset]
    assert cfg.test_pipeline[1].scale == scale
    backbone, head = cfg.model.backbone, cfg.model.decode_head.head
    assert 'auxiliary_head' not in cfg.model and cfg.sync_bn == 'torch'
    assert (backbone.type, backbone.depth, backbone.style) == ('ResNet', 50, 'pytorch')
    assert (backbone.strides, backbone.dilations) == ((1, 2, 1, 1), (1, 1, 2, 4))
    assert (head.type, head.channels, head.c1_channels) == ('DepthwiseSeparableASPPHead', 512, 48)
    assert cfg.model.decode_head.loss_decode == {'type': 'CrossEntropyLoss'}
    # Another divisor would enlarge crops of 513 x 513.
    assert cfg.model.data_preprocessor.size_divisor == 1
    assert backbone.get('frozen_stages', -1) == (4 if name.startswith('probe') else -1)


def test_the_network_is_the_one_of_mmsegmentation():
    """Names and shapes of its deeplabv3plus_r50-d8 with an ordinary stem."""
    cfg = config('finetune_r50_ade20k')
    ours = MODELS.build(cfg.model).state_dict()
    norm = {'type': 'SyncBN', 'requires_grad': True}
    stock = MODELS.build({
        'type': 'EncoderDecoder', 'data_preprocessor': cfg.model.data_preprocessor,
        'backbone': {**cfg.model.backbone, 'norm_cfg': norm, 'init_cfg': None},
        'decode_head': {**cfg.model.decode_head.head, 'norm_cfg': norm, 'num_classes': 150}})
    expected = {key: value.shape for key, value in stock.state_dict().items()}
    found = {key.replace('.classifier.', '.conv_seg.').replace('decode_head.head.', 'decode_head.'):
             value.shape for key, value in ours.items() if 'label_space' not in key}
    assert found == expected


def pretrained(folder):
    """Weights of a narrow ResNet-50 as a training leaves them, and as exported; shaken."""
    cfg = config('finetune_r50_pascal_voc')
    cfg.merge_from_dict({**NARROW, 'model.backbone.init_cfg': None})
    torch.manual_seed(1)
    model = MODELS.build(cfg.model)
    state = {key: value + 0.1 * torch.rand_like(value) if value.is_floating_point() else value
             for key, value in model.state_dict().items()}
    torch.save({'meta': {'cfg': cfg.pretty_text}, 'state_dict': state}, folder / 'trained.pth')
    return export_backbone(folder / 'trained.pth').checkpoint


def runner_of(name, tmp_path, monkeypatch, **changes) -> Runner:
    make_all(tmp_path / 'data', names=('pascal_voc', 'pascal_voc_aug', 'ade20k', 'coco_stuff164k',
                                       'cityscapes'))
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path / 'data'))
    cfg = Config.fromfile(FOLDER / f'{name}.py')  # reads the variable
    cfg.merge_from_dict({**SMALL, 'work_dir': str(tmp_path / name), 'visualizer.name': name,
                         'experiment_name': f'{tmp_path.name}_{name}', **changes})
    torch.manual_seed(0)
    return Runner.from_cfg(cfg)


@pytest.mark.parametrize('name', CASES)
def test_configs_start_from_the_weights_and_train(name, tmp_path, monkeypatch):
    file = pretrained(tmp_path)
    runner = runner_of(name, tmp_path, monkeypatch,
                       **{'model.backbone.init_cfg.checkpoint': str(file)})
    expected = torch.load(file, weights_only=True)['state_dict']
    runner.model.init_weights()
    before = {key: value.clone() for key, value in runner.model.state_dict().items()}
    assert {key for key in before if key.startswith('backbone.')} == {
        f'backbone.{key}' for key in expected}
    assert all(torch.equal(before[f'backbone.{key}'], value) for key, value in expected.items())
    runner.train()
    scores = json.loads((tmp_path / name / 'report' / 'scores.json').read_text())
    assert list(scores) == [name.partition('r50_')[2]]
    changed = {key for key, value in runner.model.state_dict().items()
               if not torch.equal(value, before[key])}
    assert 'decode_head.classifier.weight' in changed
    moved = {key for key in changed if key.startswith('backbone.')}
    if name.startswith('probe'):  # nothing: no weight, no statistics, not even their counts
        assert moved == set()
    else:
        assert {'backbone.conv1.weight', 'backbone.bn1.running_mean',
                'backbone.layer4.2.conv3.weight'} <= moved


def test_a_file_of_weights_that_is_missing_is_named(tmp_path, monkeypatch):
    runner = runner_of('finetune_r50_pascal_voc', tmp_path, monkeypatch)
    with pytest.raises(FileNotFoundError, match='work_dirs/mdp_r50_voc_ade20k/backbone.pth'):
        runner.train()


def test_training_from_scratch_is_one_option(tmp_path, monkeypatch):
    options = train_parser().parse_args(
        ['x.py', '--cfg-options', 'model.backbone.init_cfg=None']).cfg_options
    runner = runner_of('finetune_r50_pascal_voc', tmp_path, monkeypatch, **options)
    runner.train()
    assert runner.iter == 2


# ------------------------------------------------------------------ pretraining

PRETRAINED = {
    'mdp_r50_voc_ade20k_prototype': (24057, 10240, {}),
    'mdp_r50_voc_ade20k': (24057, 10240, {'mixing': {'region': 0.5, 'pixel': 0.5},
                                          'consistency': {'weight': 0.2}}),
    'mdp_r50_voc_ade20k_coco': (232936, 74496, {}),
    'mdp_semi_r50_voc_ade20k': (116468, 10240, {'threshold': 0.8}),
}
NARROW_PRETRAINER = {
    'model.backbone.stem_channels': 4, 'model.backbone.base_channels': 4,
    'model.decode_head.in_channels': 128, 'model.decode_head.c1_in_channels': 16,
    'model.decode_head.channels': 8, 'model.decode_head.c1_channels': 4}
QUICK = {'log_level': 'ERROR', 'train_cfg.max_iters': 2, 'train_dataloader.num_workers': 0,
         'train_dataloader.persistent_workers': False, 'train_dataloader.batch_size': 4,
         'train_dataloader.dataset.pipeline.2.size': (32, 32), 'val_dataloader.num_workers': 0,
         'val_dataloader.dataset.pipeline.1.scale': (256, 96)}


@pytest.mark.parametrize('name', PRETRAINED)
def test_the_settings_of_the_papers_pretraining(name):
    cfg, (iters, images, own) = config(name), PRETRAINED[name]
    assert cfg.train_cfg.max_iters == iters and cfg.model.images == images
    assert {key: cfg.model[key] for key in own} == own
    assert (cfg.model.temperature, cfg.model.channels) == (0.07, 256)
    assert cfg.train_dataloader.batch_size * 8 == 128
    assert cfg.optim_wrapper.optimizer == {'type': 'SGD', 'lr': 0.8, 'momentum': 0.9,
                                           'weight_decay': 4e-5}
    schedule, = cfg.param_scheduler
    assert schedule.type == 'CosineAnnealingLR' and schedule.eta_min == 0
    views = cfg.train_dataloader.dataset.pipeline[2]
    assert views.type == 'PretrainViews' and tuple(views['size']) == (224, 224)
    assert cfg.train_dataloader.dataset.datasets == cfg.model.datasets


def test_pretrained_and_fine_tuned_networks_are_the_same():
    pretrained, tuned = config('mdp_r50_voc_ade20k').model, config('finetune_r50_ade20k').model
    assert {k: v for k, v in tuned.backbone.items() if k != 'init_cfg'} == pretrained.backbone
    assert tuned.decode_head.head == pretrained.decode_head
    assert pretrained.data_preprocessor == tuned.data_preprocessor


@pytest.mark.parametrize(('pretrained', 'tuned'), [
    ('mdp_toyworld3', 'finetune_village_toyworld'),
    ('mdp_realbench3', 'finetune_mumbai_aerial6_realbench')])
def test_small_networks_are_the_same_but_for_dropout_and_padding(pretrained, tuned):
    pretrained, tuned = config(pretrained).model, config(tuned).model
    assert {k: v for k, v in tuned.backbone.items() if k != 'init_cfg'} == pretrained.backbone
    assert {**tuned.decode_head.head, 'dropout_ratio': 0.0} == pretrained.decode_head
    assert {**tuned.data_preprocessor, 'size_divisor': 1} == pretrained.data_preprocessor


@pytest.mark.parametrize('changes', [
    {'model.contrast': 'pixel'}, {'model.contrast': 'region'}, {'model.images': 16},
    {'model.temperature': 0.3}, {'model.mixing.region': 1.0}, {'model.mixing.pixel': 1.0}])
def test_ablations_are_one_key(changes, tmp_path, monkeypatch):
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path / 'data'))
    make_all(tmp_path / 'data', 4, ['pascal_voc_aug', 'ade20k'])
    cfg = config('mdp_r50_voc_ade20k_prototype')
    cfg.merge_from_dict({**NARROW_PRETRAINER, **QUICK, 'model.images': 8, **changes,
                         'work_dir': str(tmp_path), 'experiment_name': str(changes),
                         'train_cfg.val_begin': 10})
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.model.contrast == changes.get('model.contrast', 'prototype')
    assert (runner.model.mixing is not None) == any('mixing' in key for key in changes)
    if runner.model.bank is not None:
        assert runner.model.bank.num_batches == cfg.model.images // 4


@pytest.mark.parametrize('name', [*PRETRAINED, 'supervised_r50_voc_ade20k'])
def test_pretraining_runs_and_its_backbone_can_be_used(name, tmp_path, monkeypatch):
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path / 'data'))
    make_all(tmp_path / 'data', 4, ['pascal_voc_aug', 'ade20k', 'coco_stuff164k'])
    cfg = config(name)
    cfg.merge_from_dict({**(NARROW if 'supervised' in name else NARROW_PRETRAINER), **QUICK,
                         'work_dir': str(tmp_path), 'experiment_name': name})
    if 'supervised' not in name:
        cfg.model.images = 8
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.message_hub.get_scalar('val/mean/mIoU').current() >= 0
    done = export_backbone(tmp_path / 'iter_2.pth')
    own = getattr(runner.model, 'encoder', runner.model).backbone.state_dict()
    stored = torch.load(done.file if hasattr(done, 'file') else done[0])['state_dict']
    assert stored.keys() == own.keys()
    assert all(torch.equal(stored[key], own[key]) for key in own)


def small(name, folder, **changes):
    cfg = config(name)
    cfg.merge_from_dict({
        'work_dir': str(folder), 'experiment_name': name, 'log_level': 'ERROR',
        'train_cfg.max_iters': 2, 'train_cfg.val_interval': 2, 'custom_hooks.0.interval': 1,
        'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False,
        'val_dataloader.num_workers': 0, 'test_dataloader.num_workers': 0, **changes})
    for entry in [*cfg.model.datasets, *cfg.train_dataloader.dataset.datasets,
                  *cfg.val_dataloader.dataset.datasets, *cfg.test_dataloader.dataset.datasets]:
        entry = entry.get('extends', entry)
        if entry.type == 'ToyWorldDataset':
            entry['image_size'] = (32, 32)
            entry['splits']['val']['size'] = 3
    return cfg


@pytest.mark.parametrize(('pretrained', 'tuned'), [
    ('mdp_toyworld3', 'finetune_village_toyworld'), ('mdp_semi_toyworld3', None),
    ('mdp_realbench3', 'finetune_mumbai_aerial6_realbench'), ('mdp_semi_realbench3', None)])
def test_small_configs_run_from_pretraining_to_use(pretrained, tuned, tmp_path, request):
    if 'realbench' in pretrained:
        request.getfixturevalue('realbench')
    cfg = small(pretrained, tmp_path / 'before', **{'train_dataloader.dataset.pipeline.1.size': (
        32, 32)} if 'toyworld' in pretrained else {})
    if 'realbench' in pretrained:
        cfg.val_dataloader.dataset.datasets = cfg.val_dataloader.dataset.datasets[1:2]
        cfg.train_cfg.val_begin = 10  # tested with ToyWorld
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert 0 < runner.message_hub.get_scalar('train/prototypes/coverage').current() <= 1
    assert ('train/photos.accepted' in runner.message_hub.log_scalars
            or 'train/metro.accepted' in runner.message_hub.log_scalars) == ('semi' in pretrained)
    if tuned is None:
        return
    file = export_backbone(tmp_path / 'before' / 'iter_2.pth')[0]
    cfg = small(tuned, tmp_path / 'after', **{'model.backbone.init_cfg.checkpoint': str(file),
                                              'train_cfg.val_begin': 10})
    model = MODELS.build(cfg.model)
    model.init_weights()
    for key, value in runner.model.encoder.backbone.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[key], value), key
