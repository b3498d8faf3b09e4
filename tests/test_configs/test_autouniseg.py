"""The configs of AutoUniSeg: the paper's figures, and the whole method on a few images."""

from copy import deepcopy
from functools import cache

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmseg_multids.datasets import label_spaces_from_cfg
from mmseg_multids.engine.hooks import TrainingPhases
from mmseg_multids.label_spaces import build_label_space
from mmseg_multids.models import MapperPhase

from ..conftest import ROOT
from ..miniature import make_all
from .test_uniseg import REPORT, SMALL

FOLDER = ROOT / 'configs' / 'autouniseg'
NAMES = sorted(path.stem for path in FOLDER.glob('*_hr*.py'))
SEVEN = ['cityscapes', 'mapillary', 'sun_rgbd', 'bdd100k', 'idd', 'ade20k', 'coco_panoptic']
_read = cache(Config.fromfile)


def config(name):
    return deepcopy(_read(FOLDER / f'{name}.py'))


def phases_of(cfg):
    found = [hook for hook in cfg.custom_hooks if hook.type == 'TrainingPhases']
    # What every run writes is not lost.
    assert len(cfg.custom_hooks) == len(found) + 1 and cfg.custom_hooks[0].type in (
        'SegmentationReportHook', 'TrainingPhases')
    return found[0] if found else None


@pytest.mark.parametrize(('name', 'trained', 'tested'), [
    ('7ds', SEVEN, ['kitti', 'scannet20', 'camvid_mseg', 'pascal_voc', 'pascal_context',
                    'wilddash2']),
    ('driving', ['cityscapes', 'mapillary', 'bdd100k', 'idd', 'wilddash2'],
     ['camvid_mseg', 'kitti', 'pascal_voc', 'scannet20', 'sun_rgbd', 'ade20k', 'coco_panoptic']),
    ('rvc', ['cityscapes', 'ade20k', 'mapillary', 'viper', 'scannet20', 'wilddash2'], []),
])
def test_the_datasets_of_the_paper(name, trained, tested):
    cfg = config(f'autouniseg_hr48_{name}')
    for part in (cfg.model.datasets, cfg.train_dataloader.dataset.datasets,
                 cfg.val_dataloader.dataset.datasets):
        assert [entry.name for entry in part] == trained
    assert [e.name for e in cfg.test_dataloader.dataset.datasets] == [*trained, *tested]
    assert cfg.train_dataloader.batch_size == 3 * len(trained)


@pytest.mark.parametrize('name', SEVEN)
def test_each_of_the_seven_datasets_alone(name):
    cfg = config(f'autouniseg_single_hr48_{name}')
    assert [e.name for e in cfg.model.datasets] == [name] \
        == [e.name for e in cfg.train_dataloader.dataset.datasets]
    assert cfg.train_dataloader.batch_size == 3 and phases_of(cfg) is None
    tested = [e.name for e in cfg.test_dataloader.dataset.datasets]
    assert tested[:7] == SEVEN and len(tested) == 13
    assert [e.name for e in cfg.unseen] == [other for other in tested if other != name]


def test_the_classes_of_the_seven_datasets():
    """Table 5 has 448 concatenated classes, one fewer than these lists."""
    sizes = {s.name: s.num_classes
             for s in label_spaces_from_cfg(config('autouniseg_hr48_7ds').model.datasets)}
    assert sizes == {'cityscapes': 19, 'mapillary': 65, 'sun_rgbd': 37, 'bdd100k': 19, 'idd': 26,
                     'ade20k': 150, 'coco_panoptic': 133}


@pytest.mark.parametrize('name', ['7ds', 'driving', 'rvc', '7ds_names', '7ds_initial'])
def test_the_settings_of_the_paper(name):
    cfg = config(f'autouniseg_hr48_{name}')
    assert cfg.train_cfg.max_iters == 300000
    assert cfg.optim_wrapper.optimizer == {'type': 'AdamW', 'lr': 1e-4, 'weight_decay': 0.01}
    pipeline = cfg.train_dataloader.dataset.pipeline
    assert pipeline[2].ratio_range == (0.5, 2.0) and pipeline[3].crop_size == (768, 768)
    hook = phases_of(cfg)
    assert (hook.cost, hook.penalty) == ('absolute', 0.5)
    hook = TrainingPhases(**{k: v for k, v in hook.items() if k != 'type'})
    assert hook.starts[-1] == 300000 and hook.phases[0].iters == 100000
    if name != '7ds_initial':
        assert [p.kind for p in hook.phases] == [
            'heads', *('graph', 'segmentation') * 2, 'graph', 'final']
        assert [p.iters for p in hook.phases] == [100000, *[20000] * 5, 100000]
    assert cfg.model.decode_head.classifier.orthogonality == 'p_log_p'


@pytest.mark.parametrize(('name', 'most'), [('concat', 449), ('text', 400)])
def test_label_spaces_of_the_ablation(name, most):
    cfg = config(f'autouniseg_hr48_7ds_{name}')
    space = build_label_space(cfg.model.label_space, label_spaces_from_cfg(cfg.model.datasets))
    assert 150 < space.num_nodes <= most
    assert (space.num_nodes == 449) == (name == 'concat')


@pytest.mark.parametrize('name', ['toyworld4', 'realbench4'])
def test_small_phases_fill_the_run(name):
    cfg = config(f'autouniseg_{name}')
    assert sum(phase.iters for phase in phases_of(cfg).phases) == cfg.train_cfg.max_iters


def small(name, tmp_path, monkeypatch, iters):
    make_all(tmp_path / 'data')
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path / 'data'))
    cfg = Config.fromfile(FOLDER / f'{name}.py')  # reads the variable
    options = {key: value for key, value in SMALL.items() if '.scale' not in key}
    cfg.merge_from_dict({
        **options, 'work_dir': str(tmp_path / name), 'experiment_name': name,
        'train_dataloader.batch_size': len(cfg.model.datasets),
        'test_dataloader.num_workers': 0})
    total, hook = 0, phases_of(cfg)
    cfg.custom_hooks = [hook, *REPORT]
    for phase in cfg.custom_hooks[0].phases:
        phase.iters = iters.get(phase.kind, 1)
        total += phase.iters
    cfg.merge_from_dict({'train_cfg.max_iters': total or 2, 'train_cfg.val_interval': total or 2})
    return cfg


@pytest.mark.parametrize('name', ['autouniseg_hr48_7ds'])
def test_the_whole_method_on_seven_small_datasets(name, tmp_path, monkeypatch):
    cfg = small(name, tmp_path, monkeypatch, {'heads': 2, 'final': 2})
    runner = Runner.from_cfg(cfg)
    runner.train()
    mapper = runner.model.decode_head.mapper
    assert mapper.current_phase == MapperPhase.FINAL
    assert mapper.phase.shape == torch.Size([])
    assert runner.model.label_space.datasets == tuple(SEVEN)
