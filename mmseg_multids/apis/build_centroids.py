"""Finding the objects in all label maps of a dataset, for centroid sampling."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from prettytable import PrettyTable
from torch.utils.data import DataLoader

from ..datasets import MultiDataset
from ..datasets.centroids import CentroidIndex, ImageObjects, label_checksum
from ..datasets.label_maps import LabelMaps
from ..datasets.metainfo import chosen_entries, unlabelled_names, whole_entry
from ..datasets.multi_dataset import own_where_alone
from ..functional.centroids import check_settings, find_objects
from ..registry import DATASETS
from .progress import Progress
from .trained import name_of

#: After so many label maps that cannot be read the rest is not tried.
_MAX_BAD = 100
#: So many of them are listed.
_LISTED = 10


def labelled_images(cfg: Config, split: str = 'train',
                    only: Sequence[str] | None = None) -> MultiDataset:
    """Build a split of a config's training datasets that have labels.

    Args:
        cfg: Config.
        split: Which of the entries' splits.
        only: Names of the datasets. Default: all with labels.

    Raises:
        FileNotFoundError: A dataset's folder is missing.
        ValueError: The config has no training datasets; an unknown name, or one without labels;
            an unknown split.
    """
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    try:
        dataset = cfg.train_dataloader.dataset
        entries = [whole_entry(entry) for entry in dataset.datasets]
    except AttributeError as error:
        raise ValueError(f'{name_of(cfg)} needs train_dataloader.dataset.datasets: '
                         f'{error}') from None
    without = unlabelled_names(entries)
    names = [entry['name'] for entry in entries if entry['name'] not in without]
    for name in only or ():
        if name not in names:
            what = 'has no labels' if name in without else 'is unknown'
            raise ValueError(f'dataset {name!r} {what}; with labels {name_of(cfg)} has '
                             f'{", ".join(names)}')
    entries = chosen_entries(own_where_alone(entries), only or names)
    return DATASETS.build({**copy.deepcopy(dataset), 'datasets': entries, 'split': split})


def build_centroids(images: MultiDataset, dataset: str, split: str | None = None,
                    min_area: int = 1, connectivity: int = 8, point: str = 'inside',
                    workers: int = 0, say: Callable[[str], None] | None = None) -> CentroidIndex:
    """Find the objects in all label maps of a dataset (self-training, section 3.2).

    Label maps are read and dropped one by one; what is kept are a few bytes per object.

    Args:
        images: The datasets.
        dataset: Name of the one.
        split: What the index says of where the images are from.
        min_area: Objects of fewer pixels are left out.
        connectivity: 4 or 8; see :func:`.find_objects`.
        point: ``'inside'`` or ``'mean'``; see there.
        workers: Processes; 0: this one.
        say: Called every few seconds with how far it is.

    Raises:
        ValueError: A setting or name that does not exist; label maps that cannot be read, all of
            which are listed.
    """
    check_settings(min_area, connectivity, point)
    maps = LabelMaps(images, dataset)
    settings = {'min_area': int(min_area), 'connectivity': int(connectivity), 'point': point}
    found, bad = [], []
    said = Progress(len(maps), say, dataset)
    for done, result in enumerate(read_all(_ObjectsOf(maps, settings), workers), 1):
        (bad if isinstance(result, str) else found).append(result)
        if len(bad) >= _MAX_BAD:
            break
        said.tell(done)
    if bad:
        lines = bad[:_LISTED] + ([f'and {len(bad) - _LISTED} more'] if len(bad) > _LISTED else [])
        stopped = '' if done == len(maps) else f'; stopped after {done}'
        raise ValueError(f'dataset {dataset!r}: {len(bad)} of {len(maps)} label maps cannot be '
                         f'used{stopped}, no index is written:\n' + '\n'.join(lines))
    return CentroidIndex(dataset, split, maps.classes, found, settings)


class _ObjectsOf(torch.utils.data.Dataset):
    """What an index keeps of each label map, or why it cannot be used."""

    def __init__(self, maps: LabelMaps, settings: dict) -> None:
        self._maps, self._settings = maps, settings

    def __len__(self) -> int:
        return len(self._maps)

    def __getitem__(self, index: int) -> ImageObjects | str:
        try:
            labels = self._maps[index]
            objects = find_objects(labels, self._maps.ignore_index, **self._settings)
        except ValueError as error:  # a worker's own would reach the user inside a traceback
            return str(error)
        # As small as they can be: processes send them to each other.
        return ImageObjects(self._maps.name(index), objects.class_ids.astype(np.uint16),
                            objects.points.astype(np.uint32), label_checksum(labels))


def read_all(dataset: torch.utils.data.Dataset, workers: int) -> Iterator:
    """Yield the items of a dataset in its order, read by so many processes (0: this one)."""
    # With a generator of its own: a loader takes a seed of the process's otherwise.
    yield from DataLoader(dataset, batch_size=None, num_workers=workers, collate_fn=_same,
                          generator=torch.Generator(), **({'prefetch_factor': 16} if workers
                                                          else {}))


def _same(item):
    return item


def format_centroids(index: CentroidIndex) -> str:
    """Return a table of the objects of each class, and which classes have none."""
    table = PrettyTable(['class', 'objects', 'images', 'objects per image'])
    table.align = 'r'
    table.align['class'] = 'l'
    for name, objects, images in zip(index.classes, index.num_objects, index.num_images):
        table.add_row([name, objects, images, f'{objects / images:.1f}' if images else '-'])
    lines = [table.get_string(title=f'{index.dataset}, split {index.split}: {len(index)} objects '
                              f'in {len(index.names)} images')]
    if index.absent:
        lines.append(f'{len(index.absent)} of {len(index.classes)} classes have no object: '
                     f'{", ".join(index.absent)}')
    return '\n'.join(lines)
