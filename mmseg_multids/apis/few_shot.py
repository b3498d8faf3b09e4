"""Choosing few labelled images of a dataset (self-training, sections 3.4 and 4.5)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from prettytable import PrettyTable

from ..datasets import MultiDataset
from ..datasets.label_maps import LabelMaps
from ..datasets.metainfo import whole_entry
from ..datasets.randomness import mix, permuted
from .build_centroids import labelled_images, read_all
from .progress import Progress

_IMAGES, _CLASSES = 6, 7  # streams of random numbers; those of plans and centroids are 1 to 5


class Shots(NamedTuple):
    """Images that were chosen class by class.

    Attributes:
        images: Their positions in the dataset, ascending.
        chosen: How many were chosen for each class. [K]
        shown: How many of them show each class. [K]
        available: How many of all images show it. [K]
    """

    images: list[int]
    chosen: list[int]
    shown: list[int]
    available: list[int]


def whole_split(cfg: Config, dataset: str, split: str = 'train') -> MultiDataset:
    """Build a split of one of a config's training datasets, without what its ``subset`` says.

    Raises:
        FileNotFoundError: The dataset's folder is missing.
        ValueError: The config has no training datasets; an unknown name, or one without labels;
            an unknown split.
    """
    cfg = copy.deepcopy(cfg)
    loader = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    if 'datasets' in loader:
        loader['datasets'] = [_without_subset(entry) for entry in loader['datasets']]
    return labelled_images(cfg, split, [dataset])


def _without_subset(entry: dict) -> dict:
    entry = copy.deepcopy(whole_entry(entry))
    for part in (entry, *(entry.get('splits') or {}).values()):
        part.pop('subset', None)
    return entry


def read_fraction(text: str) -> Fraction:
    """Read a share such as ``1/10`` or ``0.1``.

    Raises:
        ValueError: It is none, or not above 0 and at most 1.
    """
    try:
        share = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f'fraction {text!r}: a share such as 1/10 or 0.1 is needed') from None
    if not 0 < share <= 1:
        raise ValueError(f'fraction {text}: a share above 0 and at most 1 is needed')
    return share


def choose_fraction(count: int, share: Fraction | float, seed: int = 0) -> list[int]:
    """Choose a share of images at random; smaller shares with the same seed are parts of larger.

    Args:
        count: Number of images.
        share: Above 0 and at most 1. At least one image is chosen.
        seed: Of the choice.

    Returns:
        Positions, ascending.
    """
    wanted = max(1, round(count * share))
    return sorted(permuted(i, count, mix(seed, _IMAGES)) for i in range(wanted))


def choose_shots(shows: np.ndarray, shots: int, seed: int = 0) -> Shots:
    """Choose so many images for each class.

    Rarest class first, as the images of others are more easily found. An image is chosen for one
    class as long as a class has others; then for several, as for rare classes that share images.

    Args:
        shows: Whether an image shows a class. [M, K], bool.
        shots: Images for each class that has as many; all images for one that has fewer.
        seed: Of the choice.

    Raises:
        ValueError: ``shots`` is below 1.
    """
    if shots < 1:
        raise ValueError(f'shots={shots}: at least 1 is needed')
    available = shows.sum(axis=0)
    taken = np.zeros(len(shows), dtype=bool)
    chosen = [0] * shows.shape[1]
    for class_id in np.argsort(available, kind='stable').tolist():
        own = np.flatnonzero(shows[:, class_id])
        own = own[[permuted(i, len(own), mix(seed, _CLASSES, class_id)) for i in range(len(own))]]
        # In random order, those that were not taken for another class first.
        own = own[np.argsort(taken[own], kind='stable')][:shots]
        taken[own] = True
        chosen[class_id] = len(own)
    return Shots(np.flatnonzero(taken).tolist(), chosen, shows[taken].sum(axis=0).tolist(),
                 available.tolist())


def classes_shown(maps: LabelMaps, workers: int = 0,
                  say: Callable[[str], None] | None = None) -> np.ndarray:
    """Read all label maps of a dataset; return whether each shows each class. [M, K], bool.

    Args:
        maps: The label maps.
        workers: Processes; 0: this one.
        say: Called every few seconds with how far it is.

    Raises:
        ValueError: A label map cannot be read; it is named.
    """
    shows = np.zeros((len(maps), len(maps.classes)), dtype=bool)
    said = Progress(len(maps), say, maps.dataset)
    for i, found in enumerate(read_all(_IdsOf(maps), workers)):
        if isinstance(found, str):
            raise ValueError(found)
        shows[i, found] = True
        said.tell(i + 1)
    return shows


class _IdsOf(torch.utils.data.Dataset):
    """The class ids of each label map, or why it cannot be read."""

    def __init__(self, maps: LabelMaps) -> None:
        self._maps = maps

    def __len__(self) -> int:
        return len(self._maps)

    def __getitem__(self, index: int) -> np.ndarray | str:
        try:
            labels = self._maps[index]
        except ValueError as error:  # a worker's own would reach the user inside a traceback
            return str(error)
        ids = np.flatnonzero(np.bincount(labels.reshape(-1)))
        return ids[ids != self._maps.ignore_index]


def format_shots(dataset: str, classes: Sequence[str], found: Shots, shots: int) -> str:
    """Return a table of the images of each class, and which classes have fewer than asked for."""
    table = PrettyTable(['class', 'images', 'chosen for it', 'chosen that show it'])
    table.align = 'r'
    table.align['class'] = 'l'
    for row in zip(classes, found.available, found.chosen, found.shown):
        table.add_row(row)
    lines = [table.get_string(title=f'{dataset}: {len(found.images)} images chosen')]
    lines += [f'warning: class {name!r} has {count} images, fewer than {shots}'
              for name, count in zip(classes, found.available) if count < shots]
    return '\n'.join(lines)
