"""Tiny configs of self-training for tests: a teacher, a student, and images without labels."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from mmengine.config import Config

from mmseg_multids.apis.self_training import SelfTraining
from mmseg_multids.datasets.pseudo_folder import PseudoLabelFolder
from mmseg_multids.datasets.toyworld.disk import write_view

from ..test_models.toy import NORM
from ..test_models.toy import model_cfg as toy_model

CITY = {'name': 'city', 'type': 'ToyWorldDataset', 'view': 'city', 'image_size': (32, 32),
        'splits': {'train': {'split': 'train', 'size': 4}, 'val': {'split': 'val', 'size': 2}}}
PSEUDO = {'name': 'pseudo', 'type': 'PseudoLabelDataset', 'folder': 'nowhere', 'labels_of': 'city',
          'pipeline': [{'type': 'LoadImageFromFile'}, {'type': 'LoadLabelMap'},
                       {'type': 'LoadSoftLabel'},
                       {'type': 'PlannedCrop', 'crop_size': (32, 32)},
                       {'type': 'RandomFlip', 'prob': 0.5}, {'type': 'PackSoftSegInputs'}]}
CROP = [{'type': 'RenderToyWorld'}, {'type': 'PlannedCrop', 'crop_size': (32, 32)},
        {'type': 'RandomFlip', 'prob': 0.5}, {'type': 'PackSegInputs'}]
HEAD = {'type': 'FCNHead', 'in_channels': 64, 'in_index': 3, 'channels': 8, 'num_convs': 1,
        'concat_input': False, 'norm_cfg': NORM, 'dropout_ratio': 0.5}
#: Images without labels.
COUNT = 3


def training(entries, iters=2, plan=None, **changes) -> Config:
    """A config that trains a narrow network."""
    model = toy_model(HEAD, datasets=entries)
    model.backbone.update(stem_channels=8, base_channels=8)
    model.decode_head.loss_decode = {'type': 'PixelCrossEntropyLoss'}
    names = [entry['name'] for entry in entries]
    val = [entry for entry in entries if entry['type'] == 'ToyWorldDataset']
    cfg = dict(
        default_scope='mmseg', log_level='ERROR', model=model,
        train_dataloader=dict(
            batch_size=2, num_workers=0,
            sampler=dict(type='MultiDatasetSampler',
                         plan=plan or dict(type='ratio', ratio=dict.fromkeys(names, 1))),
            dataset=dict(type='MultiDataset', datasets=entries, split='train', pipeline=CROP)),
        val_dataloader=dict(
            batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(type='MultiDataset', datasets=val, split='val', test_mode=True,
                         pipeline=[{'type': 'RenderToyWorld'}, {'type': 'PackSegInputs'}])),
        val_evaluator=dict(type='MultiDatasetIoUMetric'),
        val_cfg=dict(type='ValLoop'),
        test_pipeline=[{'type': 'LoadImageFromFile'}, {'type': 'PackSegInputs'}],
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01)),
        train_cfg=dict(type='MultiDatasetTrainLoop', max_iters=iters, val_interval=100),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1)),
        visualizer=dict(type='MultiDatasetVisualizer', name='visualizer',
                        vis_backends=[dict(type='LocalVisBackend')]),
        log_processor=dict(by_epoch=False), randomness=dict(seed=3))
    cfg.update(changes)
    return Config(cfg)


def place(folder: Path, **own) -> Config:
    """Write images and the teacher's config; return the student's."""
    write_view(folder / 'images', 'city', 'train', COUNT, (32, 32))
    training([CITY]).dump(folder / 'teacher.py')
    return student(folder, **own)


def student(folder: Path, **own) -> Config:
    """The student's config; ``own`` are keys of its ``self_training``."""
    cfg = training([CITY, PSEUDO], iters=3)
    cfg.train_dataloader.sampler.centroids = {'pseudo': 'nowhere.npz'}
    cfg.self_training = {'teacher': str(folder / 'teacher.py'),
                         'images': str(folder / 'images' / 'city' / 'images' / 'train'),
                         'labels': {'flip': True}, 'centroids': {'point': 'mean'}, **own}
    return cfg


def begun(cfg: Config, work_dir: Path, teacher=None, **options) -> SelfTraining:
    """The stages in a folder."""
    cfg.work_dir = str(work_dir)
    return SelfTraining(cfg, teacher, **{'say': lambda _: None, **options})


def state(path) -> dict:
    return torch.load(path, map_location='cpu', weights_only=False)['state_dict']


def assert_same_weights(one, other):
    first, second = state(one), state(other)
    assert list(first) == list(second)
    for key in first:
        assert torch.equal(first[key], second[key]), key


def times(folder: Path) -> dict:
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob('*')
            if path.is_file() and path.name != 'self_training.json'}


def scalars(folder: Path) -> list[dict]:
    path, = folder.rglob('scalars.json')
    return [json.loads(line) for line in path.read_text().splitlines()]


def manifest(folder: Path) -> dict:
    return PseudoLabelFolder(folder / 'pseudo_labels').read_manifest()
