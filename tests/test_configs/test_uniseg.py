"""The configs of UniSeg: the paper's figures, and all kinds train on a few images."""

import json
import os
import subprocess
import sys
from copy import deepcopy
from functools import cache

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmseg_multids.datasets import label_spaces_from_cfg
from mmseg_multids.label_spaces import ClassRelations, build_label_space

from ..conftest import ROOT
from ..miniature import make_all

FOLDER = ROOT / 'configs' / 'uniseg'
NAMES = sorted(path.stem for path in FOLDER.glob('*_hr*.py'))
TRAINED = {'c': 'cityscapes', 'i': 'idd', 'b': 'bdd100k', 'm': 'mapillary'}
UNSEEN = ['kitti', 'wilddash', 'camvid_mseg']
ARCHS = {'hr18': (16, 0.01, 62500), 'hr48': (32, 0.02, 31250)}

_STAGES = {f'model.backbone.extra.stage{i}.{key}': value
           for i, widths in ((2, (4, 4)), (3, (4, 4, 4)), (4, (4, 4, 4, 4)))
           for key, value in (('num_modules', 1), ('num_blocks', (1, ) * i),
                              ('num_channels', widths))}
SMALL = {**_STAGES, 'model.backbone.extra.stage1.num_blocks': (1, ),
         'model.backbone.init_cfg': None, 'model.decode_head.head.in_channels': [4, 4, 4, 4],
         'model.decode_head.head.channels': 16,
         'log_level': 'ERROR', 'train_cfg.max_iters': 2, 'train_cfg.val_interval': 2,
         'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False,
         'val_dataloader.num_workers': 0, 'train_dataloader.batch_size': 2,
         'train_dataloader.sampler.crop_size': (65, 65),  # odd, as 713 is
         'train_dataloader.dataset.pipeline.2.scale': (100000, 96),
         'val_dataloader.dataset.pipeline.1.scale': (100000, 96),
         'test_dataloader.dataset.pipeline.1.scale': (100000, 96)}
REPORT = [{'type': 'SegmentationReportHook', 'images_per_dataset': 1}]


_read = cache(Config.fromfile)


def config(name):
    return deepcopy(_read(FOLDER / f'{name}.py'))


def names_of(entries):
    return [entry['name'] for entry in entries]


# ------------------------------------------------------------------ what the files say


def test_every_row_of_the_tables_has_a_config():
    mixes = ('cibm', 'ibm', 'cbm', 'cim', 'cib')
    rows = {f'uniseg_{arch}_{mix}_{method}' for arch in ARCHS for mix in mixes
            for method in ('ce', 'null', 'cosine_null', 'classrel', 'classrel_from_file')
            if mix != 'cib' or method in ('ce', 'null')}  # N/A in the paper
    rows |= {f'uniseg_{arch}_cibm_multihead' for arch in ARCHS}
    rows |= {f'uniseg_single_{arch}_{name}' for arch in ARCHS for name in TRAINED.values()}
    rows |= {f'uniseg_hr48_cibm_{method}_wilddash2' for method in ('ce', 'classrel')}
    assert set(NAMES) == rows


@pytest.mark.parametrize('name', NAMES)
def test_datasets_and_label_spaces(name):
    cfg = config(name)
    parts = name.split('_')
    single = parts[1] == 'single'
    mix = [parts[3]] if single else [TRAINED[letter] for letter in parts[2]]
    assert names_of(cfg.datasets) == mix
    assert cfg.model.datasets == cfg.datasets
    assert cfg.train_dataloader.dataset.datasets == cfg.datasets
    assert cfg.val_dataloader.dataset.datasets == cfg.datasets
    assert cfg.train_dataloader.sampler.plan == {'type': 'concat'}
    left_out = [] if single else [d for d in TRAINED.values() if d not in mix]
    tested = ['wilddash2'] if parts[-1] == 'wilddash2' else [*left_out, *UNSEEN]
    assert names_of(cfg.test_dataloader.dataset.datasets) == tested
    space = build_label_space(dict(cfg.model.label_space), label_spaces_from_cfg(cfg.datasets))
    nodes = {'cibm': 70, 'ibm': 70, 'cbm': 67, 'cim': 70, 'cib': 28}
    expected = (label_spaces_from_cfg(cfg.datasets)[0].num_classes if single
                else 19 + 26 + 19 + 65 if parts[3] == 'multihead' else nodes[parts[2]])
    assert space.num_nodes == expected


@pytest.mark.parametrize('name', NAMES)
def test_the_hyperparameters_are_the_papers(name):
    """Section 3.4; for the rest see the schedules."""
    cfg = config(name)
    arch = next(part for part in name.split('_') if part in ARCHS)
    size, rate, iters = ARCHS[arch]
    assert cfg.train_dataloader.batch_size == size
    assert cfg.optim_wrapper.optimizer == dict(type='SGD', lr=rate, momentum=0.9,
                                               weight_decay=0.0001)
    schedules = cfg.param_scheduler
    assert {schedule.type for schedule in schedules} == {'PolyLR'}
    assert [schedule.begin for schedule in schedules] == [0, iters][:len(schedules)]
    assert 'end' not in schedules[-1]
    steps = {step['type']: step for step in cfg.train_dataloader.dataset.pipeline}
    assert steps['PlannedCrop']['crop_size'] == (713, 713)
    assert steps['RandomResize']['scale'][1] == 1080 and 'RandomFlip' in steps
    width = int(arch[2:])
    widths = [width, 2 * width, 4 * width, 8 * width]
    assert cfg.model.backbone.init_cfg.checkpoint == f'open-mmlab://msra/hrnetv2_w{width}'
    assert list(cfg.model.backbone.extra.stage4.num_channels) == widths
    assert cfg.model.decode_head.head.in_channels == widths
    assert cfg.model.decode_head.head.channels == sum(widths)
    # Two stages, each as long as another run; the report is kept.
    hooks = {hook['type']: hook for hook in cfg.custom_hooks}
    assert 'SegmentationReportHook' in hooks
    stages = 2 if 'ClassRelationsHook' in hooks else 1
    assert cfg.train_cfg.max_iters == stages * iters
    if stages == 2:
        assert hooks['ClassRelationsHook']['begin'] == iters == schedules[0].end
        assert hooks['ClassRelationsHook']['restart']


@pytest.mark.parametrize(('method', 'loss', 'classifier'), [
    ('ce', {'type': 'PixelCrossEntropyLoss', 'space': 'unified'}, 'LinearNodeClassifier'),
    ('null', {'type': 'NullBCELoss'}, 'LinearNodeClassifier'),
    ('cosine_null', {'type': 'NullBCELoss'}, 'CosineNodeClassifier'),
    ('classrel', {'type': 'ClassRelationalBCELoss'}, 'StagedNodeClassifier'),
    ('classrel_from_file', {
        'type': 'ClassRelationalBCELoss',
        'relations': 'work_dirs/uniseg_hr18_cim_cosine_null/class_relations.json'},
     'LinearNodeClassifier'),
])
def test_what_the_methods_differ_in(method, loss, classifier):
    cfg, base = (config(f'uniseg_hr18_cim_{m}') for m in (method, 'ce'))
    head = cfg.model.decode_head
    assert head.loss_decode == loss and head.classifier.type == classifier
    assert head.classifier.get('scale', 20.0) == 20.0
    head.loss_decode, head.classifier = base.model.decode_head.loss_decode, (
        base.model.decode_head.classifier)
    assert cfg.model == base.model and cfg.test_dataloader == base.test_dataloader


def test_the_classrel_file_is_that_of_the_first_stage():
    for name in NAMES:
        if name.endswith('classrel_from_file'):
            first = name.replace('classrel_from_file', 'cosine_null')
            assert config(name).model.decode_head.loss_decode.relations == (
                f'work_dirs/{first}/class_relations.json')


# ------------------------------------------------------------------ runs on miniatures


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return make_all(tmp_path_factory.mktemp('data'), images=2, names=[*TRAINED.values()])


@pytest.fixture
def run(tmp_path, monkeypatch, data):
    """Train a config; returns the runner."""
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(data))

    def train(name, **changes):
        cfg = config(name)
        hooks = [hook for hook in cfg.custom_hooks if hook['type'] != REPORT[0]['type']]
        cfg.custom_hooks = [*hooks, *REPORT]
        cfg.merge_from_dict({**SMALL, 'work_dir': str(tmp_path / name), 'visualizer.name': name,
                             'experiment_name': f'{tmp_path.name}_{name}', **changes})
        torch.manual_seed(0)
        runner = Runner.from_cfg(cfg)
        runner.train()
        scores = json.loads((tmp_path / name / 'report' / 'scores.json').read_text())
        assert list(scores) == names_of(cfg.datasets)
        assert all(score['images'] == 2 for score in scores.values())
        return runner
    return train


NO_CHECKPOINT = {'default_hooks.checkpoint.interval': 1000,
                 'default_hooks.checkpoint.save_last': False}


@pytest.mark.parametrize('name', [
    'uniseg_hr18_cibm_ce', 'uniseg_hr48_ibm_ce', 'uniseg_hr18_cib_null', 'uniseg_hr48_cibm_null',
    'uniseg_hr18_cibm_multihead', 'uniseg_single_hr18_mapillary', 'uniseg_single_hr48_idd'])
def test_configs_train_and_evaluate(run, name):
    run(name, **NO_CHECKPOINT)


def test_two_stages_in_one_run(run, tmp_path):
    runner = run('uniseg_hr18_cibm_classrel', **NO_CHECKPOINT, **{
        'train_cfg.max_iters': 3, 'custom_hooks.0.begin': 2, 'custom_hooks.0.max_images': 1,
        'custom_hooks.0.tau': -1.0})
    found = ClassRelations.from_json(tmp_path / 'uniseg_hr18_cibm_classrel' / 'class_relations' /
                                     'relations.json')
    assert found.relations()
    loss, = runner.model.decode_head.loss_decode
    for dataset in TRAINED.values():
        assert getattr(loss, f'table_{dataset}').tolist() == found.table(dataset).tolist()


def test_two_stages_in_two_runs(run, repo, tmp_path):
    run('uniseg_hr18_cim_cosine_null')
    folder = tmp_path / 'uniseg_hr18_cim_cosine_null'
    done = subprocess.run(
        [sys.executable, 'tools/class_relations.py', str(next(folder.glob('*.py'))),
         str(folder / 'iter_2.pth'), '--max-images', '1'],
        cwd=repo, env={**os.environ, 'PYTHONPATH': str(repo)}, capture_output=True, text=True,
        timeout=120)
    assert done.returncode == 0, done.stderr
    name = 'uniseg_hr18_cim_classrel_from_file'
    with pytest.raises(FileNotFoundError, match='tools/class_relations.py'):
        run(name, **NO_CHECKPOINT)
    file = folder / 'class_relations.json'
    runner = run(name, **NO_CHECKPOINT,
                 **{'model.decode_head.loss_decode.relations': str(file)})
    found = ClassRelations.from_json(file)
    loss, = runner.model.decode_head.loss_decode
    assert found.relations()
    assert loss.table_idd.tolist() == found.table('idd').tolist()
