"""Several datasets as one, each with its own pipeline and label space."""

from __future__ import annotations

import copy
import os
import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate

import numpy as np
import torch
from mmengine.dataset import Compose
from mmengine.logging import print_log

from ..label_spaces import LabelSpace
from ..label_spaces.unified import class_differences
from ..registry import DATASETS
from .data_root import resolve_data_root
from .metainfo import (
    Borrowed,
    borrowed_from_cfg,
    label_spaces_from_cfg,
    own_label_space,
    remap_from_cfg,
    unlabelled_names,
    whole_entry,
)
from .negatives import check_negatives, read_negatives
from .request import SampleRequest
from .subsets import positions_in, read_subset, subset_file
from .transforms.soft_labels import check_soft

_MAX_REFETCH = 100

# Swapping numpy's global generator for this one takes a tenth of the time of saving and restoring
# its state; seeding it through a RandomState, of making a new one.
_GENERATOR = np.random.MT19937(0)
_SEEDER = np.random.RandomState(_GENERATOR)


@DATASETS.register_module()
class MultiDataset(torch.utils.data.Dataset):
    """Several segmentation datasets, each with its own pipeline.

    An item is asked for by a :class:`SampleRequest` (training: the sampler decides everything,
    the pipeline runs under the request's seed and the process's random states stay untouched) or by
    an int over the concatenation (validation). The dataset's name is stamped into the sample's
    metainfo after the pipeline, and ``negative``, where the dataset says whether an image is a
    negative one. Labels keep the dataset's own ids, but for entries with ``remap``.

    Args:
        datasets: Entries such as ``dict(name='camvid11', type='CamVid11Dataset', data_root=...,
            splits=dict(train=dict(...), val=dict(...)))``. An entry without ``splits`` is a plain
            dataset config plus ``name``. A relative ``data_root`` is looked for by
            :func:`resolve_data_root`. ``remap='FILE.json'`` loads the labels in the ids of another
            dataset's classes: :mod:`mmseg_multids.label_spaces.remap`. ``extends=ENTRY`` takes all
            other keys from another entry. ``negatives='FILE.txt'``, in the entry or in a split,
            lists its negative images, see :func:`.negatives.read_negatives`; a dataset class may
            have ``negative`` in its data list instead. ``unlabelled=True`` takes the images
            without their labels. ``labels_of='NAME'`` says that the labels are in another entry's
            classes, see :func:`.metainfo.borrowed_from_cfg`. ``subset='FILE.txt'``, in the entry or
            in a split, or ``subset=dict(train='FILE.txt')`` takes the images alone that a list
            names, see :func:`.subsets.read_subset`.
        split: Which of the ``splits`` to build.
        pipeline: Pipeline of the entries that have none; each gets transforms of its own.
        test_mode: Passed on to the datasets.
        lazy_init: Build without reading the datasets; ``full_init`` is called by the runner.

    Raises:
        ValueError: As :func:`label_spaces_from_cfg`; an unknown split; an empty dataset; a
            ``subset`` that names what is no image.
        FileNotFoundError: A dataset's folder, or the file of its ``remap``, ``negatives`` or
            ``subset``, is missing.

    Example:
        >>> train_dataloader = dict(
        ...     batch_size=8,
        ...     sampler=dict(type='MultiDatasetSampler', plan=dict(type='mixed')),
        ...     dataset=dict(type='MultiDataset', datasets=datasets, split='train',
        ...                  pipeline=train_pipeline))
    """

    def __init__(self, datasets: Sequence[dict], split: str | None = None,
                 pipeline: Sequence[dict] | None = None, test_mode: bool = False,
                 lazy_init: bool = False) -> None:
        datasets = own_where_alone([whole_entry(entry) for entry in datasets])
        self.spaces = {space.name: space for space in label_spaces_from_cfg(datasets)}
        for name, borrowed in borrowed_from_cfg(datasets).items():
            lender = self.spaces[borrowed.labels_of]
            self.spaces[name] = LabelSpace(name, lender.classes, lender.palette)
        #: Datasets whose images are taken without labels.
        self.unlabelled = frozenset(unlabelled_names(datasets))
        for entry in datasets:
            if entry.get('labels_of') is not None:
                self._check_borrowed(entry, split)
        self.datasets = {entry['name']: build_entry(entry, split, pipeline, test_mode)
                         for entry in datasets}
        self._remaps = {entry['name']: _Remapped(entry, self.datasets[entry['name']])
                        for entry in datasets if entry.get('remap') is not None}
        self._negatives = {entry['name']: path for entry in datasets
                           if (path := _of_split(entry, split, 'negatives')) is not None}
        self._negative_names: dict[str, frozenset[str]] = {}
        self._split = split
        self._subsets = {entry['name']: path for entry in datasets
                         if (path := subset_file(entry, split)) is not None}
        self._test_mode = test_mode
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    def _check_borrowed(self, entry: dict, split: str | None) -> None:
        """Refuse an entry with ``labels_of`` whose own classes are not those."""
        own = own_label_space({**entry, **((entry.get('splits') or {}).get(split) or {})})
        differences = class_differences(self.spaces[entry['name']], own)
        if differences:
            raise ValueError(f'dataset {entry["name"]!r} has labels_of={entry["labels_of"]!r} but '
                             'other classes (from that one to its own):\n  '
                             + '\n  '.join(differences))

    def full_init(self) -> None:
        """Read the lists of images."""
        if self._fully_initialized:
            return
        for name, dataset in self.datasets.items():
            cause = None
            try:
                dataset.full_init()
                empty = len(dataset) == 0
            except ValueError as error:
                cause = error
                empty = getattr(dataset, 'data_list', None) == []  # MMEngine cannot store it
                if not empty:
                    raise
            if empty:
                suffixes = getattr(dataset, 'img_suffixes', [getattr(dataset, 'img_suffix', None)])
                raise ValueError(
                    f'dataset {name!r} is empty; no image in '
                    f'{getattr(dataset, "data_prefix", {}).get("img_path")!r} with suffix '
                    + ', '.join(map(repr, suffixes)) + (f' ({cause})' if cause else '')) from cause
        for name, path in self._negatives.items():
            self._negative_names[name] = self._read_negatives(name, path)
        for name, path in self._subsets.items():  # after the negatives, which may name others
            self._restrict(name, path)
        self._offsets = [0, *accumulate(self.sizes.values())]
        self._fully_initialized = True

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the datasets."""
        return tuple(self.datasets)

    @property
    def sizes(self) -> dict[str, int]:
        """Number of images of each dataset."""
        return {name: len(dataset) for name, dataset in self.datasets.items()}

    @property
    def metainfo(self) -> dict:
        """Classes and palettes in plain Python types.

        ``datasets`` has those of each dataset. The top-level ``classes`` are the dataset's own
        where there is one, else ``dataset/class``.
        """
        if len(self.spaces) == 1:
            classes = [c for space in self.spaces.values() for c in space.classes]
        else:
            classes = [f'{name}/{c}' for name, space in self.spaces.items() for c in space.classes]
        datasets = {name: {'classes': list(space.classes),
                           'palette': [list(colour) for colour in space.palette]}
                    for name, space in self.spaces.items()}
        palette = [list(colour) for meta in datasets.values() for colour in meta['palette']]
        return {'classes': classes, 'palette': palette, 'datasets': datasets}

    def __len__(self) -> int:
        return self._offsets[-1]

    def locate(self, index: int) -> tuple[str, int]:
        """Return dataset and position of the ``index``-th image of the concatenation."""
        if not -len(self) <= index < len(self):
            raise IndexError(f'index {index} is out of range for {len(self)} images')
        index %= len(self)
        which = bisect_right(self._offsets, index) - 1
        return self.names[which], index - self._offsets[which]

    def get_data_info(self, index: int) -> dict:
        """Return paths and the like of the ``index``-th image, without running a pipeline."""
        name, position = self.locate(index)
        return {**self._info(name, position), 'dataset': name}

    def _info(self, name: str, index: int) -> dict:
        info = self.datasets[name].get_data_info(index)
        if name in self.unlabelled and 'seg_map_path' in info:
            info['seg_map_path'] = None  # there may be no such file
        if name in self._remaps:
            info['label_map'] = self._remaps[name].label_map
        if name in self._negative_names:
            info['negative'] = self.sample_name(name, index, info) in self._negative_names[name]
        return info

    def _read_negatives(self, name: str, path: str) -> frozenset[str]:
        dataset = self.datasets[name]
        negatives = read_negatives(path, getattr(dataset, 'data_root', None),
                                   getattr(dataset, 'img_suffix', ''))
        check_negatives(name, negatives, set(self._sample_names(name)), path)
        return negatives

    def _restrict(self, name: str, path: str) -> None:
        dataset, images = self.datasets[name], self._sample_names(name)
        subset = read_subset(path, getattr(dataset, 'data_root', None))
        dataset.get_subset_(positions_in(subset, images, name, self._split))
        print_log(f'dataset {name}: {len(dataset)} of {len(images)} images ({subset.path})',
                  logger='current')

    def _sample_names(self, name: str) -> list[str]:
        dataset = self.datasets[name]
        return [self.sample_name(name, i, dataset.get_data_info(i)) for i in range(len(dataset))]

    def __getitem__(self, item: int | SampleRequest) -> dict:
        """Return one sample, ``{'inputs': ..., 'data_samples': ...}``.

        Raises:
            ValueError: An image or label map cannot be read, or holds an id that the dataset does
                not have; dataset and file are named.
        """
        if isinstance(item, SampleRequest):
            if item.dataset not in self.datasets:
                raise ValueError(f'unknown dataset {item.dataset!r}; known: '
                                 f'{", ".join(self.names)}')
            with seeded(item.seed):
                return self._prepare(item.dataset, item.index, item)
        return self._prepare(*self.locate(int(item)), None)

    def _prepare(self, name: str, index: int, request: SampleRequest | None) -> dict:
        dataset = self.datasets[name]
        for _ in range(_MAX_REFETCH):
            info = self._info(name, index)
            if request is not None and request.crop_size is not None:
                info['crop_size'] = tuple(request.crop_size)
            if request is not None and request.centre is not None:
                info['centre'] = tuple(request.centre)
            try:
                data = dataset.pipeline(info)
            except Exception as error:
                raise ValueError(
                    f'dataset {name}, image {index}: {info.get("img_path")} with label map '
                    f'{info.get("seg_map_path")} could not be prepared: '
                    f'{type(error).__name__}: {error}') from error
            if data is not None:
                self._finish(data, name, index, info)
                if request is not None and info.get('soft_path'):
                    check_soft(data, name)
                return data
            if self._test_mode or request is None:
                break
            # As in MMEngine: a pipeline may decline an image, then another one takes its place.
            index = np.random.randint(len(dataset))
            request = request._replace(centre=None)  # it was of an object in the other one
        raise ValueError(f'dataset {name}: the pipeline returned None for {info.get("img_path")}')

    def _finish(self, data: dict, name: str, index: int, info: dict) -> None:
        samples = data.get('data_samples')
        stamp = {'dataset': name, 'sample_name': self.sample_name(name, index, info)}
        if 'negative' in info:
            stamp['negative'] = bool(info['negative'])
        for sample in samples if isinstance(samples, (list, tuple)) else [samples]:
            if sample is None:
                continue
            sample.set_metainfo(stamp)
            if name in self.unlabelled:
                if 'gt_sem_seg' in sample:
                    sample.gt_sem_seg.data.fill_(
                        getattr(self.datasets[name], 'ignore_index', 255))
            elif 'gt_sem_seg' in sample:
                self.check_labels(sample.gt_sem_seg.data.numpy(), name, info)

    def sample_name(self, name: str, index: int, info: dict) -> str:
        """Return what an image of a dataset is called: its path below their folder, no suffix."""
        path = info.get('img_path')
        if not path:
            return str(index)
        # Plain text: pathlib would take a noticeable part of a small image's loading time.
        path = str(path).replace(os.sep, '/')
        folder = getattr(self.datasets[name], 'data_prefix', {}).get('img_path')
        folder = str(folder or '').replace(os.sep, '/').rstrip('/') + '/'
        if len(folder) > 1 and path.startswith(folder):
            path = path[len(folder):]
        elif os.path.isabs(path):
            path = path.rpartition('/')[2]
        return os.path.splitext(path)[0]

    def check_labels(self, labels: np.ndarray, name: str, info: dict) -> None:
        """Refuse a label map that holds an id which its dataset does not have.

        Raises:
            ValueError: The file, the id, and what is allowed.
        """
        num_classes = self.spaces[name].num_classes
        ignore_index = getattr(self.datasets[name], 'ignore_index', 255)
        # As unsigned numbers negative ids are the largest, so that one comparison finds them too.
        unsigned = labels.view(f'u{labels.itemsize}')
        bad = (unsigned >= num_classes) & (labels != ignore_index)
        if bad.any():
            wrong = labels[bad]
            if name in self._remaps:
                raise ValueError(f'dataset {name}: label map {info.get("seg_map_path")} holds an '
                                 f'id that {self._remaps[name].words}')
            raise ValueError(
                f'dataset {name}: label map {info.get("seg_map_path")} holds the id '
                f'{int(wrong[0])}; allowed are 0 to {num_classes - 1} and {ignore_index} (ignore)')


class _Remapped:
    """How an entry with ``remap`` reads its label maps.

    Attributes:
        label_map: New id of each stored id that changes. It takes the place of the dataset's own,
            which is part of it, in what the loading transforms get.
        words: Which stored ids are wrong.
    """

    def __init__(self, entry: dict, dataset: torch.utils.data.Dataset) -> None:
        remap, space = remap_from_cfg(entry), own_label_space(entry)
        if getattr(dataset, 'ignore_index', 255) != 255:
            raise ValueError(f'dataset {space.name!r} has ignore_index={dataset.ignore_index}; '
                             'with remap it must be 255')
        self.label_map = remap.label_map(space.classes, getattr(dataset, 'label_map', None))
        self.words = (f'{space.name} does not have; before the remapping by {remap.path} 0 to '
                      f'{space.num_classes - 1} and 255 (ignore) are allowed')


def own_where_alone(entries: list[dict]) -> list[dict]:
    """Leave ``labels_of`` out where that dataset is not loaded; the model still knows it."""
    names = [entry.get('name') for entry in entries]
    return [entry if entry.get('labels_of') in (None, *names) else
            {key: value for key, value in entry.items() if key not in Borrowed._fields}
            for entry in entries]


def _of_split(entry: dict, split: str | None, key: str):
    """Return a key of an entry, its split's own first."""
    own = (entry.get('splits') or {}).get(split) or {}
    return own.get(key, entry.get(key))


def build_entry(entry: dict, split: str | None, pipeline: Sequence[dict] | None,
                test_mode: bool) -> torch.utils.data.Dataset:
    """Build the dataset of one entry, without reading its list of images.

    Raises:
        FileNotFoundError: The dataset's folder is missing.
        ValueError: No such split, or no pipeline.
    """
    cfg = copy.deepcopy(dict(entry))
    name = cfg.pop('name')
    cfg.pop('remap', None)
    for key in ('unlabelled', 'labels_of', 'images_of'):
        cfg.pop(key, None)
    cfg.pop('negatives', None)
    cfg.pop('subset', None)
    splits = cfg.pop('splits', None)
    if any('remap' in each for each in (splits or {}).values()):
        raise ValueError(f'dataset {name!r} has remap in its splits; it belongs beside `splits`, '
                         'as it decides what the classes are')
    if splits is not None:
        if split not in splits:
            raise ValueError(f'dataset {name!r} has no split {split!r}; known: {", ".join(splits)}.'
                             ' (`splits` beside `extends` stands for all of the other entry\'s)')
        cfg.update(copy.deepcopy(dict(splits[split])))
        cfg.pop('negatives', None)
        cfg.pop('subset', None)
    if cfg.get('data_root') is not None:
        try:
            cfg['data_root'] = resolve_data_root(cfg['data_root'])
        except FileNotFoundError as error:
            raise FileNotFoundError(f'dataset {name!r}: {error}') from None
    if 'pipeline' not in cfg:
        if pipeline is None:
            raise ValueError(f'dataset {name!r} has no pipeline, and MultiDataset was given none')
        cfg['pipeline'] = copy.deepcopy(list(pipeline))
    cfg.update(test_mode=test_mode, lazy_init=True)
    dataset = DATASETS.build(cfg)
    if not isinstance(dataset.pipeline, Compose):
        raise ValueError(f'dataset {name!r}: {type(dataset).__name__} has no MMEngine pipeline')
    return dataset


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block under a seed and leave the process's random states as they were.

    Python's, numpy's and torch's CPU generators are covered. ``torch.manual_seed`` is avoided: it
    also queues a seed for CUDA, with a formatted stack trace, on every call. Blocks do not nest.
    """
    states = random.getstate(), torch.default_generator.get_state()
    generator = np.random.get_bit_generator()
    try:
        random.seed(seed)
        _SEEDER.seed([seed & 0xffffffff, seed >> 32])
        np.random.set_bit_generator(_GENERATOR)
        torch.default_generator.manual_seed(seed)
        yield
    finally:
        random.setstate(states[0])
        np.random.set_bit_generator(generator)
        torch.default_generator.set_state(states[1])
