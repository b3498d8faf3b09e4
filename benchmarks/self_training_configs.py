"""Configs of what ``self_training_results.py`` trains, and where it lies."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config
from runs import ROOT
from self_training_rows import CENTROIDS, IMAGE, REAL, SETS, SIZES, WRITTEN, Row

from mmseg_multids.datasets.data_root import resolve_data_root


def config_of(name: str) -> Config:
    """Return a shipped config of self-training."""
    return Config.fromfile(ROOT / 'configs' / 'self_training' / f'{name}.py')


def make_small(cfg: Config, which: str, seed: int, out: Path, all_labels: bool = False) -> None:
    """Small images, and the seed's labelled ones, or all."""
    for entry in entries_of(cfg):
        if which == 'toyworld' and 'extends' in entry:
            entry['image_size'] = (IMAGE, IMAGE)
            if entry['extends'].name == SETS[which].name:
                entry['splits']['train']['size'] = WRITTEN if all_labels else REAL
        if str((entry.get('subset') or {}).get('train', '')).startswith('splits/'):
            entry['subset'] = None if all_labels else {
                'train': str(shared_folder(which, seed, out) / 'labelled.txt')}
    train = cfg.train_dataloader.dataset
    for pipeline in (train.pipeline, *(e.get('pipeline') or () for e in train.datasets)):
        for step in pipeline:
            if step['type'] == 'RandomScale':
                step['ratio_range'] = SETS[which].scales
            elif step['type'] == 'PlannedCrop':
                step['crop_size'] = (SIZES[-1], SIZES[-1])
    if SETS[which].test_scale != 1:
        # Before the label map is loaded: scores are enlarged to it.
        cfg.test_dataloader.dataset.pipeline.insert(1, {
            'type': 'Resize', 'scale_factor': SETS[which].test_scale, 'keep_ratio': True})


def entries_of(cfg: Config) -> list:
    """Return all entries of datasets, which may be changed."""
    loaders = ('train_dataloader', 'val_dataloader', 'test_dataloader')
    return [*cfg.model.datasets, *(e for key in loaders for e in cfg[key].dataset.datasets)]


def shared_folder(which: str, seed: int, out: Path) -> Path:
    """Where teacher and pseudo labels of a seed lie."""
    return out / which / f'seed{seed}'


def folder_of(which: str, row: str, seed: int, out: Path) -> Path:
    """Where a run's results lie."""
    for old, new in ((' ', '_'), (',', ''), (':', 'to'), ('|', '_')):
        row = row.replace(old, new)
    return shared_folder(which, seed, out) / row


def with_metro(cfg: Config, which: str) -> Config:
    """Also test the other view whose images get pseudo labels."""
    if which == 'toyworld':
        metro = Config.fromfile(ROOT / 'configs' / '_base_' / 'datasets' / 'toyworld_metro.py')
        cfg.test_dataloader.dataset.datasets.append({'extends': metro.toyworld_metro})
    return cfg


def pool_of(which: str, labelled: str, out: Path) -> list[str]:
    """Return the folders of the images that a teacher labels."""
    if labelled == 'target':
        folders = [SETS[which].target_images]
    else:
        folders = config_of(SETS[which].student).self_training.images
    if which == 'toyworld':
        return [str(out / folder) for folder in folders]
    return [resolve_data_root(folder) for folder in folders]


def student_config(which: str, row: Row, labels: Path) -> Config:
    """Return the config of a row with the labels and objects in a folder."""
    data = SETS[which]
    cfg = config_of(data.student)
    pseudo = f'{data.name}_pseudo'
    for datasets in (cfg.model.datasets, cfg.train_dataloader.dataset.datasets):
        for entry in datasets:
            if entry.get('name') == pseudo:
                entry.update(folder=str(labels / 'pseudo_labels'), soft=row.soft)
    sampler = cfg.train_dataloader.sampler
    sampler.plan = {'type': 'ratio', 'ratio': {data.name: 1, pseudo: row.ratio}}
    sampler.centroids = {pseudo: str(labels / 'centroids.npz')} \
        if row.crops == CENTROIDS else None
    return cfg
