"""What a config says of self-training, read and checked before anything is trained."""

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from mmengine.config import Config

from ..datasets.data_root import resolve_path
from ..datasets.metainfo import borrowed_from_cfg, label_space_from_cfg, whole_entry
from ..functional.centroids import check_settings
from .build_centroids import build_centroids
from .pseudo_images import ImageList, images_in, images_of_dataset
from .pseudo_labels import generate_pseudo_labels
from .pseudo_teacher import Augmentation, check_target, space_of_target
from .trained import name_of, read_config

_KEYS = ('teacher', 'images', 'dataset', 'labels', 'centroids', 'finetune')
_IMAGES = ('dataset', 'split')


class SelfTrainingSettings:
    """What ``self_training`` of a student's config says (Zhu et al., section 3.1).

    The config trains on a ``PseudoLabelDataset``; how its labels are made is this::

        self_training = dict(
            teacher='selftrain_teacher_x50_cityscapes.py',   # beside the config, or a path
            images=['data/mapillary/training/images'],       # or dict(dataset='NAME', split='...')
            dataset='NAME',   # which PseudoLabelDataset, where there are several
            labels=dict(scales=(0.5, 1.0, 2.0), flip=True),  # of generate_pseudo_labels
            centroids=dict(point='mean'),                    # of build_centroids
            finetune=None)              # a config that the student is fine-tuned with (A.2)

    Images are looked for below ``MULTIDS_DATA_ROOT`` and ``data/``, then as they stand; a dataset's
    among the loaders of the teacher's config, then of the student's.

    Args:
        cfg: The student's config; images below its ``work_dir`` are left out.

    Attributes:
        cfg: The same.
        teacher_cfg: The config of the first teacher.
        finetune_cfg: The config for fine-tuning, or ``None``.
        dataset: Name of the ``PseudoLabelDataset``.
        entry: Its entry.
        labels, centroids: Options of ``generate_pseudo_labels`` and ``build_centroids``.
        images: The images that are labelled.

    Raises:
        ValueError: A key or option that does not exist or is missing; no such dataset.
        FileNotFoundError: There is no such config or folder of images.
    """

    def __init__(self, cfg: Config) -> None:
        self.cfg = cfg
        where = name_of(cfg)
        given = cfg.get('self_training')
        if not given or not isinstance(given, Mapping):
            raise ValueError(f'{where} has no `self_training = dict(...)`, which says how pseudo '
                             f'labels are made; its keys: {", ".join(_KEYS)}')
        _check_keys(f'self_training of {where}', given, _KEYS)
        missing = [key for key in ('teacher', 'images') if not given.get(key)]
        if missing:
            raise ValueError(f'self_training of {where} needs {missing[0]!r}')
        self.labels = dict(given.get('labels') or {})
        self.centroids = dict(given.get('centroids') or {})
        self.entry = self._pseudo_entry(given.get('dataset'))
        self.dataset = self.entry['name']
        self._check_options(where)
        self.teacher_cfg = self._config('teacher', given['teacher'])
        self.finetune_cfg = self._config('finetune', given['finetune']) \
            if given.get('finetune') else None
        try:
            self.images = self._find_images(given['images'])
        except (FileNotFoundError, ValueError) as error:
            raise type(error)(f'self_training.images of {where}: {error}') from error

    def student_config(self, folder: Path) -> Config:
        """Return the student's config with the labels and objects of a folder of a loop."""
        cfg = copy.deepcopy(self.cfg)
        for datasets in (cfg.model.datasets, cfg.train_dataloader.dataset.datasets):
            for entry in datasets:
                if whole_entry(entry)['name'] == self.dataset:
                    entry['folder'] = str(folder / 'pseudo_labels')
        crops = _crops(cfg)
        if self.dataset in crops:
            path = str(folder / 'centroids.npz')
            own = crops[self.dataset]
            crops[self.dataset] = {**own, 'path': path} if isinstance(own, dict) else path
        return cfg

    @property
    def has_crops(self) -> bool:
        """Whether the student draws crops around the objects in the labels."""
        return self.dataset in _crops(self.cfg)

    def check_target(self, model: torch.nn.Module) -> None:
        """Refuse labels that the student could not train on.

        Args:
            model: The teacher's, with its config as ``cfg``; trained or not.

        Raises:
            ValueError: In whose classes is not said; other classes than the student's.
        """
        known = model.label_space.datasets
        target = self.labels.get('label_space') or self.labels_of(model)
        if target is None and len(known) > 1:
            raise ValueError(
                f'the teacher predicts {", ".join(known)}: say in whose classes '
                f'{self.dataset!r} is labelled, by labels_of of its entry or by '
                'self_training.labels.label_space')
        images_of = self.labels.get('images_of') or (
            self.images.dataset if self.images.dataset in known else None)
        try:
            target, _ = check_target(model, target, images_of)
        except ValueError as error:
            raise ValueError(f'self_training.labels of {name_of(self.cfg)}: {error}') from error
        made, asked = space_of_target(model, target).classes, self.student_classes()
        if asked is not None and list(made) != list(asked):
            raise ValueError(
                f'the student takes {self.dataset!r} for labels of {len(asked)} classes '
                f'({", ".join(asked[:5])}, ...), the teacher labels the {len(made)} of {target!r} '
                f'({", ".join(made[:5])}, ...); name another labels_of in its entry, or '
                'self_training.labels.label_space')

    def student_classes(self) -> tuple[str, ...] | None:
        """Return the classes that the entry must have; ``None``: those of the labels."""
        entry = self.entry
        if entry.get('labels_of'):
            entry = next(e for e in map(whole_entry, self.cfg.model.datasets)
                         if e['name'] == entry['labels_of'])
        elif not (entry.get('metainfo') or {}).get('classes'):
            return None
        return label_space_from_cfg(entry).classes

    def labels_of(self, model: torch.nn.Module) -> str | None:
        """Return the label space of the labels: what the student takes them for."""
        name = self.entry.get('labels_of') or self.dataset
        return name if name in model.label_space.datasets else None

    def _config(self, key: str, name: str) -> Config:
        """Read a config that stands beside the student's, or anywhere."""
        beside = Path(self.cfg.filename or '.').parent / name
        try:
            return read_config(beside if beside.is_file() else name)
        except FileNotFoundError as error:
            raise FileNotFoundError(f'self_training.{key} of {name_of(self.cfg)}: {error}') \
                from error

    def _pseudo_entry(self, name: str | None) -> dict:
        try:
            entries = [whole_entry(e) for e in self.cfg.train_dataloader.dataset.datasets]
        except AttributeError as error:
            raise ValueError(f'{name_of(self.cfg)} needs train_dataloader.dataset.datasets: '
                             f'{error}') from None
        found = {e['name']: e for e in entries if e.get('type') == 'PseudoLabelDataset'}
        borrowed_from_cfg(self.cfg.model.datasets)  # refuses labels_of that names no dataset
        if name is None and len(found) == 1:
            return next(iter(found.values()))
        if name not in found:
            said = '' if name is None else f' {name!r}'
            raise ValueError(f'{name_of(self.cfg)}: self_training needs the PseudoLabelDataset'
                             f'{said} among train_dataloader.dataset.datasets; there are: '
                             f'{", ".join(found) or "none"}'
                             + (' (choose one by self_training.dataset)' if found else ''))
        return found[name]

    def _check_options(self, where: str) -> None:
        """Refuse at once what would be refused after the teacher is trained."""
        options = _options_of(generate_pseudo_labels, 'images', 'checkpoint', 'out', 'model', 'say')
        _check_keys(f'self_training.labels of {where}', self.labels, options)
        options = _options_of(build_centroids, 'images', 'dataset', 'split', 'workers', 'say')
        _check_keys(f'self_training.centroids of {where}', self.centroids, options)
        try:
            check_settings(self.centroids.get('min_area', 1), self.centroids.get('connectivity', 8),
                           self.centroids.get('point', 'inside'))
        except ValueError as error:
            raise ValueError(f'self_training.centroids of {where}: {error}') from error
        try:
            Augmentation(tuple(self.labels.get('scales', (1.0,))), tile=self.labels.get('tile'),
                         overlap=self.labels.get('overlap', 1 / 3)).check()
        except (TypeError, ValueError) as error:
            raise ValueError(f'self_training.labels of {where}: {error}') from error
        if self.entry.get('soft') and not self.labels.get('soft'):
            raise ValueError(f'dataset {self.dataset!r} of {where} has soft=True, so '
                             'self_training.labels needs soft=K, the number of scores of a pixel')

    def _find_images(self, given) -> ImageList:
        complete = bool(self.labels.get('complete'))
        if isinstance(given, Mapping):
            _check_keys('images', given, _IMAGES)
            if 'dataset' not in given:
                raise ValueError("the key 'dataset' is missing")
            known = (cfg for cfg in (self.teacher_cfg, self.cfg) if given['dataset'] in _names(cfg))
            return images_of_dataset(next(known, self.teacher_cfg), **given, labels=complete)
        if complete:
            raise ValueError('labels=dict(complete=True) needs the images of a dataset: '
                             "images=dict(dataset='NAME')")
        paths = [given] if isinstance(given, (str, os.PathLike)) else list(given)
        return images_in([resolve_path(path) for path in paths], leave_out=Path(self.cfg.work_dir))


def _check_keys(where: str, given: Mapping, allowed: tuple[str, ...]) -> None:
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        raise ValueError(f'{where} has no key {unknown[0]!r}; allowed: {", ".join(allowed)}')


def _options_of(function: Callable, *without: str) -> tuple[str, ...]:
    return tuple(name for name in inspect.signature(function).parameters if name not in without)


def _crops(cfg: Config) -> dict:
    """The sampler's centroid indices by dataset."""
    return (cfg.train_dataloader.get('sampler') or {}).get('centroids') or {}


def _names(cfg: Config) -> list[str]:
    """Names of the datasets of a config's loaders."""
    loaders = (cfg.get(f'{kind}_dataloader') or {} for kind in ('train', 'val', 'test'))
    return [whole_entry(entry)['name'] for loader in loaders
            for entry in (loader.get('dataset') or {}).get('datasets') or ()]
