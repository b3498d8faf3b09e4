"""The configs of self-training's teachers, students, baselines and fine-tuning."""

from copy import deepcopy
from functools import cache

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner, save_checkpoint

from mmseg_multids.apis.few_shot import whole_split
from mmseg_multids.datasets.subsets import write_subset
from mmseg_multids.registry import MODELS

from ..conftest import ROOT
from ..miniature import make_all

FOLDER = ROOT / 'configs' / 'self_training'
#: Backbone and head; section 4.2 and Table 3.
TEACHERS = {'x50': ('ResNeXt', 'DepthwiseSeparableASPPHead'),
            'wrn38': ('WideResNet38', 'DepthwiseSeparableASPPHead'),
            'fastscnn': ('FastSCNN', 'DepthwiseSeparableFCNHead'),
            'pspnet_r101': ('ResNetV1c', 'PSPHead')}
#: Dataset, side of the crops, epochs, whether OHEM is used; sections 4.2 and 4.5.
FINETUNED = {'finetune_wrn38_camvid': ('camvid', 640, 80, True),
             'finetune_wrn38_kitti': ('kitti', 368, 50, True),
             'finetune_x50_mapillary': ('mapillary', 800, 180, False),
             'finetune_x50_mapillary_10shot': ('mapillary', 800, 180, False),
             'finetune_x50_bdd100k': ('bdd100k', 800, 180, False),
             'finetune_x50_bdd100k_10shot': ('bdd100k', 800, 180, False)}
CASES = [*(f'selftrain_teacher_{name}_cityscapes' for name in TEACHERS), *FINETUNED]
NARROW = {
    'x50': {'model.backbone.stem_channels': 8, 'model.backbone.base_channels': 8,
            'model.backbone.groups': 2, 'model.backbone.base_width': 32,
            'model.decode_head.head.in_channels': 256,
            'model.decode_head.head.c1_in_channels': 32,
            'model.decode_head.head.channels': 8, 'model.decode_head.head.c1_channels': 4,
            'model.backbone.init_cfg': None},
    'wrn38': {'model.backbone.width': 1 / 32, 'model.decode_head.head.in_channels': 128,
              'model.decode_head.head.c1_in_channels': 4, 'model.decode_head.head.channels': 8,
              'model.decode_head.head.c1_channels': 4},
    'fastscnn': {},
    'pspnet_r101': {'model.backbone.stem_channels': 8, 'model.backbone.base_channels': 8,
                    'model.backbone.depth': 50, 'model.decode_head.head.in_channels': 256,
                    'model.decode_head.head.channels': 8,
                    'model.auxiliary_head.head.in_channels': 128,
                    'model.auxiliary_head.head.channels': 8, 'model.backbone.init_cfg': None}}
SMALL = {'log_level': 'ERROR', 'train_cfg.val_interval': 2, 'train_dataloader.num_workers': 0,
         'train_dataloader.persistent_workers': False, 'val_dataloader.num_workers': 0,
         'train_dataloader.batch_size': 2, 'train_dataloader.batch_sampler.sizes': (64,),
         'train_dataloader.batch_sampler.epochs': 1}
OHEM = {'type': 'OHEMPixelSampler', 'thresh': 0.7, 'min_kept': 100000}

_read = cache(Config.fromfile)


def config(name):
    return deepcopy(_read(FOLDER / f'{name}.py'))


def network_of(name):
    return next(key for key in NARROW if key in name)


@pytest.mark.parametrize('name', CASES)
def test_the_settings_of_the_paper(name):
    cfg = config(name)
    tuned = name in FINETUNED
    dataset, crop, epochs, ohem = FINETUNED.get(name, ('cityscapes', 800, 180, True))
    assert cfg.optim_wrapper.optimizer == {'type': 'SGD', 'lr': 0.002 if tuned else 0.02,
                                           'momentum': 0.9, 'weight_decay': 0.0001}
    assert cfg.param_scheduler == [{'type': 'PolyLR', 'power': 0.9, 'eta_min': 0.0,
                                    'by_epoch': False, 'begin': 0}]
    assert cfg.sync_bn == 'torch' and cfg.train_cfg.max_iters is None
    loader = cfg.train_dataloader
    schedule = loader.batch_sampler
    assert (loader.batch_size, schedule.kind, schedule.sizes, schedule.epochs) == (
        16, 'constant', (crop,), epochs)
    steps = {step['type']: step for step in loader.dataset.pipeline}
    jitter = {k: v for k, v in steps['RandomColourJitter'].items() if k != 'type'}
    assert jitter == dict.fromkeys(('brightness', 'contrast', 'saturation', 'hue'), 0.1)
    assert {'RandomFlip', 'RandomGaussianBlur'} <= set(steps)
    # CamVid's files are half as large as the paper's images.
    assert steps['RandomScale'].ratio_range == ((1.0, 4.0) if dataset == 'camvid' else (0.5, 2.0))
    assert cfg.model.decode_head.get('sampler') == (OHEM if ohem else None)
    assert [entry.get('name') or entry.extends.name for entry in cfg.datasets] == [dataset]
    assert (cfg.model.get('finetune_from') is not None) == tuned
    if tuned:
        assert cfg.model.finetune_classifier == 'by_name'
        donor = cfg.model.finetune_from.split('/')[1]
        assert donor == {'camvid': 'selftrain_student_wrn38_cityscapes',
                         'kitti': 'selftrain_student_wrn38_cityscapes'}.get(
                             dataset, f'selftrain_student_x50_to_{dataset}')
        assert (config(donor).model.decode_head.get('sampler') is None) == (not ohem)
        assert config(donor).model.backbone == cfg.model.backbone
        assert config(donor).model.decode_head.head == cfg.model.decode_head.head
    else:
        kind = next(key for key in TEACHERS if key in name)
        assert (cfg.model.backbone.type, cfg.model.decode_head.head.type) == TEACHERS[kind]


def test_resnext_is_the_one_of_32_groups():
    backbone = config('selftrain_teacher_x50_cityscapes').model.backbone
    assert (backbone.depth, backbone.groups, backbone.base_width) == (50, 32, 4)
    with torch.device('meta'):
        model = MODELS.build({**backbone, 'init_cfg': None})
    # torchvision's resnext50_32x4d has 25,028,904, of which 2048 * 1000 + 1000 classify.
    assert sum(p.numel() for p in model.parameters()) == 25028904 - 2049000


def test_fast_scnn_has_its_papers_size():
    """Table 3 and Poudel et al.: 1.11 million parameters, auxiliary heads left out."""
    model = MODELS.build(config('selftrain_teacher_fastscnn_cityscapes').model)
    own = sum(p.numel() for n, p in model.named_parameters() if 'auxiliary' not in n)
    assert 1.0e6 < own < 1.5e6


def runner_of(name, tmp_path, monkeypatch, **changes):
    dataset = FINETUNED.get(name, ('cityscapes',))[0]
    make_all(tmp_path / 'data', names=(dataset,))
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path / 'data'))
    cfg = Config.fromfile(FOLDER / f'{name}.py')
    cfg.merge_from_dict({**SMALL, **NARROW[network_of(name)], 'work_dir': str(tmp_path / name),
                         'visualizer.name': name,
                         'experiment_name': f'{tmp_path.name}_{name}', **changes})
    if name in FINETUNED:
        cfg.model.finetune_from = str(tmp_path / 'teacher.pth')
        if '10shot' in name:
            monkeypatch.chdir(tmp_path)
            images = whole_split(cfg, dataset)
            names = [images.sample_name(dataset, i, images.get_data_info(i)) for i in (0, 2)]
            write_subset(f'splits/{dataset}_10shot.txt', dataset, 'train', names)
    torch.manual_seed(0)
    return Runner.from_cfg(cfg)


def teacher(network, tmp_path):
    cfg = config(f'selftrain_teacher_{network}_cityscapes')
    cfg.merge_from_dict(NARROW[network])
    model = MODELS.build(cfg.model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.1)
    save_checkpoint({'state_dict': model.state_dict()}, str(tmp_path / 'teacher.pth'))
    return model


@pytest.mark.parametrize('name', CASES)
def test_configs_train_and_are_validated(name, tmp_path, monkeypatch):
    given = teacher(network_of(name), tmp_path) if name in FINETUNED else None
    runner = runner_of(name, tmp_path, monkeypatch)
    assert runner.train_loop.max_iters == (1 if '10shot' in name else 2)  # 2 images, or 4
    runner.model.init_weights()
    if given is not None:
        rows, old = (m.decode_head.classifier.weight for m in (runner.model, given))
        new, known = ([c.lower().replace('-', ' ') for c in
                       m.label_space.spaces[d].classes] for m, d in (
                           (runner.model, FINETUNED[name][0]), (given, 'cityscapes')))
        shared = [c for c in new if c in known]
        assert len(shared) >= 5
        for c in shared:
            assert torch.equal(rows[new.index(c)], old[known.index(c)]), c
        stem = next(iter(given.backbone.state_dict()))
        assert torch.equal(runner.model.backbone.state_dict()[stem],
                           given.backbone.state_dict()[stem])
    before = {k: v.clone() for k, v in runner.model.named_parameters()}
    monkeypatch.setattr(runner.model, 'init_weights', lambda: None)
    runner.train()
    assert all(torch.isfinite(p).all() for p in runner.model.parameters())
    moved = {k for k, v in runner.model.named_parameters() if not torch.equal(v, before[k])}
    assert 'decode_head.classifier.weight' in moved and any('backbone' in k for k in moved)
    if '10shot' not in name:
        assert (tmp_path / name / 'report' / 'scores.json').is_file()


def test_shares_of_mapillary_are_one_key(tmp_path, monkeypatch):
    write_subset(tmp_path / 'tenth.txt', 'mapillary', 'train', ['m000002'])
    runner = runner_of('finetune_x50_mapillary', tmp_path, monkeypatch, **{
        'train_dataloader.dataset.datasets.0.subset': str(tmp_path / 'tenth.txt')})
    assert runner.train_loop.dataloader.dataset.sizes == {'mapillary': 1}
