"""Going over whole images of some datasets with a model, as validation loads them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.dist import get_rank, get_world_size
from mmengine.logging import print_log
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from ..datasets import MultiDataset
from ..datasets.metainfo import borrowed_from_cfg, chosen_entries, unlabelled_names, whole_entry
from ..models import UNIFIED, MultiDatasetSegmentor
from ..registry import DATASETS
from .trained import name_of

#: Seconds between two lines that say how far a pass is.
_SAY_EVERY = 60


class WholeImage(NamedTuple):
    """An image as a model takes it, and as it was loaded."""

    dataset: str
    #: Preprocessed and padded. Shape [1, 3, H, W].
    inputs: Tensor
    #: Padded as the inputs are. Shape [1, H, W].
    labels: Tensor
    #: As it was loaded, in OpenCV's order of channels. Shape [3, h, w], uint8.
    loaded: Tensor
    #: Its file below the dataset's images, without suffix, or its number.
    name: str = ''


def training_images(cfg: Config, only: Sequence[str] | None = None) -> MultiDataset:
    """Build the training images of a config as validation loads them: whole, not augmented.

    Args:
        cfg: Config.
        only: Names of the datasets to build. Default: all with labels of their own.

    Raises:
        ValueError: The config has no training images, or says nowhere how to validate; an unknown
            name.
    """
    try:
        train, val = cfg.train_dataloader.dataset, cfg.val_dataloader.dataset
        own = {entry['name']: entry.get('pipeline') for entry in map(whole_entry, val.datasets)}
        entries = []
        whole = [whole_entry(entry) for entry in train.datasets]
        others = {*unlabelled_names(whole), *borrowed_from_cfg(whole)}
        for entry in whole:
            if only is None and entry['name'] in others:
                continue
            pipeline = own.get(entry['name']) or val.get('pipeline')
            splits = {name: {k: v for k, v in split.items() if k != 'pipeline'}
                      for name, split in (entry.get('splits') or {}).items()}
            entries.append({**entry, **({'splits': splits} if splits else {}),
                            'pipeline': pipeline})
    except AttributeError as error:
        raise ValueError(f'{name_of(cfg)} needs train_dataloader.dataset and '
                         f'val_dataloader.dataset: {error}') from None
    missing = [entry['name'] for entry in entries if entry['pipeline'] is None]
    if missing:
        raise ValueError(f'{name_of(cfg)} has no pipeline to load whole images of {missing[0]}: '
                         'val_dataloader.dataset.pipeline, or one of its entry there')
    return DATASETS.build({**train, 'datasets': _chosen(entries, only)})


def validation_images(cfg: Config, only: Sequence[str] | None = None) -> MultiDataset:
    """Build the images that a config validates on; arguments and errors as above."""
    try:
        val = cfg.val_dataloader.dataset
        entries = [whole_entry(entry) for entry in val.datasets]
    except AttributeError as error:
        raise ValueError(f'{name_of(cfg)} needs val_dataloader.dataset.datasets: '
                         f'{error}') from None
    return DATASETS.build({**val, 'datasets': _chosen(entries, only)})


def _chosen(entries: Sequence[dict], only: Sequence[str] | None) -> list[dict]:
    names = [entry['name'] for entry in entries]
    unknown = [name for name in only or () if name not in names]
    if unknown:
        raise ValueError(f'unknown dataset {unknown[0]!r}; known: {", ".join(names)}')
    return chosen_entries(entries, names if only is None else only)


def loading_workers(cfg: Config) -> int:
    """Return with how many processes a config loads whole images: those of validation."""
    return int((cfg.get('val_dataloader') or {}).get('num_workers', 0))


def check_max_images(max_images: int | None) -> None:
    """Refuse to look at no images.

    Raises:
        ValueError: ``max_images`` below 1.
    """
    if max_images is not None and max_images < 1:
        raise ValueError(f'max_images={max_images}: at least 1 is needed')


def images_of(model: MultiDatasetSegmentor, images: MultiDataset, dataset: str,
              max_images: int | None = None, num_workers: int = 0) -> Iterator[WholeImage]:
    """Yield this process's share of the images of a dataset.

    Args:
        model: Its preprocessor makes the inputs.
        images: The datasets.
        dataset: Name of the one.
        max_images: Yield so many, evenly spread, in all processes together. Default: all.
        num_workers: Processes that load.
    """
    own = positions_of(images, dataset, max_images)[get_rank()::get_world_size()]
    yield from load_images(model, images, own, num_workers)


def positions_of(images: MultiDataset, dataset: str, max_images: int | None = None) -> list[int]:
    """Return where images of a dataset stand among all: all of them, or so many, evenly spread."""
    size = images.sizes[dataset]
    start = sum(images.sizes[name] for name in images.names[:images.names.index(dataset)])
    count = size if max_images is None else min(size, max_images)
    return [start + i * size // count for i in range(count)]


def load_images(model: MultiDatasetSegmentor, images: MultiDataset, positions: Sequence[int],
                num_workers: int = 0) -> Iterator[WholeImage]:
    """Yield the images at some positions; arguments as of :func:`images_of`."""
    # With a generator of its own: the loader takes a seed for its workers of it, and the random
    # numbers of training must not depend on whether this was done.
    loader = DataLoader(Subset(images, positions), batch_size=1, num_workers=num_workers,
                        collate_fn=pseudo_collate, generator=torch.Generator())
    said = time.monotonic()
    for done, data in enumerate(loader):
        meta = data['data_samples'][0].metainfo
        if time.monotonic() - said > _SAY_EVERY:
            said = time.monotonic()
            print_log(f'{meta["dataset"]}: {done} of {len(positions)} images', logger='current')
        loaded = data['inputs'][0]
        # As in training, so that labels are padded as images are.
        data = model.data_preprocessor(data, True)
        yield WholeImage(meta['dataset'], data['inputs'],
                         data['data_samples'][0].gt_sem_seg.data, loaded, meta['sample_name'])


def told_of(model: MultiDatasetSegmentor, image: WholeImage) -> AbstractContextManager:
    """Tell a model which dataset an image comes from; it may be one that it does not know."""
    known = image.dataset in model.context.datasets
    fallback = getattr(model, 'norm_of_unknown', None)
    norm = None if known or fallback is None else fallback(image.inputs)
    return model.context.batch([image.dataset] if known else None, UNIFIED, norm)


def embed(model: MultiDatasetSegmentor, image: WholeImage) -> Tensor:
    """Return the pixel embedding [1, D, h, w]; of a dataset that the model does not know, too."""
    with told_of(model, image):
        return model.embed(image.inputs)
