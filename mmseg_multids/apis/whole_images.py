"""Going over whole images of some datasets with a model, as validation loads them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.dist import get_rank, get_world_size
from mmengine.logging import print_log
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from ..datasets import MultiDataset
from ..datasets.metainfo import whole_entry
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


def training_images(cfg: Config) -> MultiDataset:
    """Build the training images of a config as validation loads them: whole, not augmented.

    Raises:
        ValueError: The config has no training images, or says nowhere how to validate.
    """
    try:
        train, val = cfg.train_dataloader.dataset, cfg.val_dataloader.dataset
        own = {entry['name']: entry.get('pipeline') for entry in map(whole_entry, val.datasets)}
        entries = []
        for entry in map(whole_entry, train.datasets):
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
    return DATASETS.build({**train, 'datasets': entries})


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


def chosen_images(images: MultiDataset, dataset: str,
                  max_images: int | None = None) -> list[int]:
    """Return which images of a dataset a pass looks at, evenly spread: positions in the whole."""
    size = images.sizes[dataset]
    start = sum(images.sizes[name] for name in images.names[:images.names.index(dataset)])
    count = size if max_images is None else min(size, max_images)
    return [start + i * size // count for i in range(count)]


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
    own = chosen_images(images, dataset, max_images)[get_rank()::get_world_size()]
    # With a generator of its own: the loader takes a seed for its workers of it, and the random
    # numbers of training must not depend on whether this was done.
    loader = DataLoader(Subset(images, own), batch_size=1, num_workers=num_workers,
                        collate_fn=pseudo_collate, generator=torch.Generator())
    said = time.monotonic()
    for done, data in enumerate(loader):
        if time.monotonic() - said > _SAY_EVERY:
            said = time.monotonic()
            print_log(f'{dataset}: {done} of {len(own)} images', logger='current')
        loaded = data['inputs'][0]
        # As in training, so that labels are padded as images are.
        data = model.data_preprocessor(data, True)
        yield WholeImage(dataset, data['inputs'], data['data_samples'][0].gt_sem_seg.data, loaded)


def embed(model: MultiDatasetSegmentor, image: WholeImage) -> Tensor:
    """Return the pixel embedding [1, D, h, w]; of a dataset that the model does not know, too."""
    known = image.dataset in model.label_space.datasets
    norm = None if known else model.norm_of_unknown(image.inputs)
    with model.context.batch([image.dataset] if known else None, UNIFIED, norm):
        return model.decode_head.head(model.extract_feat(image.inputs))
