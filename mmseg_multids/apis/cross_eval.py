"""Every head, every model or all nodes on every dataset (AutoUniSeg, Tables 7 to 10)."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log

from ..datasets import MultiDataset
from ..datasets.metainfo import whole_entry
from ..label_spaces import LabelSpace, NodeMapping, UnifiedLabelSpace, match_nodes
from ..label_spaces.cross_iou import iou_of_mapping, iou_without_each, search_mapping
from ..label_spaces.unify import unify_disjoint
from ..models import UNIFIED, MultiDatasetSegmentor
from ..registry import DATASETS
from .cross_heads import gather_confusions
from .shared_images import warn_of_shared_images
from .trained import name_of

MATCHES = ('search', 'name')


class Row(NamedTuple):
    """What is predicted in one label space on every dataset."""

    label: str
    #: mIoU by dataset, from 0 to 1; NaN where nothing can be compared.
    miou: dict[str, float]
    #: Class of the test dataset that each prediction stands for, -1 for none. [P] each.
    mappings: dict[str, np.ndarray]


def images_to_test(cfg: Config, split: str, only: str | None = None) -> MultiDataset:
    """Build a split of the datasets that a config tests, or of one, as it loads them for tests.

    Raises:
        ValueError: The config tests nothing, or not that dataset.
    """
    try:
        dataset = cfg.test_dataloader.dataset
        entries = [whole_entry(entry) for entry in dataset.datasets]
    except AttributeError as error:
        raise ValueError(f'{name_of(cfg)} needs test_dataloader.dataset.datasets: '
                         f'{error}') from None
    if only is not None:
        names = [entry['name'] for entry in entries]
        entries = [entry for entry in entries if entry['name'] == only]
        if not entries:
            raise ValueError(f'{name_of(cfg)} tests {", ".join(names)}, not {only!r}')
    return DATASETS.build({**copy.deepcopy(dataset), 'datasets': entries, 'split': split})


def cross_evaluate(model: MultiDatasetSegmentor, search: MultiDataset, test: MultiDataset,
                   targets: Sequence[str] | None = None, match: str = 'search',
                   max_images: int | None = None,
                   search_images: int | None = None, num_workers: int = 0) -> list[Row]:
    """Evaluate each head of a model, or all of its nodes, on each dataset.

    A dataset's own head is compared as it is. Any other prediction stands for the class that
    :func:`search_mapping` finds on the datasets' training images; or for the class of its name.
    Where tested images are among those of the search, the log warns that figures are too high.

    Args:
        model: The model.
        search: Images to search mappings with.
        test: Images to evaluate.
        targets: Label spaces to predict. Default: every dataset's, and all nodes unless those are
            the datasets' own classes side by side.
        match: ``'search'`` or ``'name'``.
        max_images: Evaluate so many images of each dataset. Default: all.
        search_images: Search with so many images of each dataset. Default: all.
        num_workers: Processes that load images.

    Raises:
        ValueError: Unknown ``match`` or target.
    """
    if match not in MATCHES:
        raise ValueError(f'match={match!r}: allowed are {", ".join(MATCHES)}')
    space = model.label_space
    if targets is None:
        disjoint = not space.differences(unify_disjoint(list(space.spaces.values())))
        targets = (*space.datasets, *(() if disjoint else (UNIFIED,)))
    known = (*space.datasets, UNIFIED)
    for target in targets:
        if target not in known:
            raise ValueError(f'unknown target {target!r}; known: {", ".join(known)}')
    if match == 'search':
        for dataset in test.names:
            if any(_is_searched(space, target, dataset) for target in targets):
                warn_of_shared_images(search, test, dataset, search_images, max_images)
    found = gather_confusions(model, search, targets, search_images, num_workers=num_workers
                              ) if match == 'search' else {}
    counts = gather_confusions(model, test, targets, max_images, num_workers=num_workers)
    rows = []
    for target in targets:
        miou, mappings = {}, {}
        for dataset in test.names:
            own = test.metainfo['datasets'][dataset]['classes']
            if target == dataset:
                mapping = np.arange(len(own))
            elif not _is_searched(space, target, dataset):
                mapping = space.class_of_node(dataset)
            elif match == 'search':
                mapping = search_mapping(found[dataset][target])
            else:
                mapping = _by_name(model, target, LabelSpace(dataset, own))
            mappings[dataset] = mapping
            miou[dataset] = _miou(counts[dataset][target], mapping)
        rows.append(Row(target, miou, mappings))
    return rows


def _is_searched(space: UnifiedLabelSpace, target: str, dataset: str) -> bool:
    """Whether it must be found out what predictions stand for in a dataset's classes."""
    return target != dataset and not (target == UNIFIED and dataset in space.datasets)


def searched_mapping(model: MultiDatasetSegmentor, images: MultiDataset, dataset: str,
                     max_images: int | None = None, num_workers: int = 0) -> NodeMapping:
    """Search what the nodes of a model stand for in a dataset (AutoUniSeg, section 4.1).

    The mapping holds the IoUs that decided.

    Args:
        model: The model.
        images: Images with labels of the dataset's training split.
        dataset: Its name.
        max_images: Use so many images. Default: all.
        num_workers: Processes that load images.

    Raises:
        ValueError: The images are of other datasets; none is labelled.
    """
    if dataset not in images.names:
        raise ValueError(f'there are no images of {dataset!r}, only of {", ".join(images.names)}')
    counts = gather_confusions(model, images, (UNIFIED,), max_images, (dataset,), num_workers)
    space = LabelSpace(dataset, images.metainfo['datasets'][dataset]['classes'])
    confusion = counts[dataset][UNIFIED]
    mapping = search_mapping(confusion)
    return NodeMapping.between(model.label_space, space, mapping,
                               iou_of_mapping(confusion, mapping),
                               iou_without_each(confusion, mapping))


def warn_if_tested(cfg: Config, search: MultiDataset, dataset: str,
                   max_images: int | None = None) -> None:
    """Warn where images of a search are among those that a config tests.

    Args:
        cfg: Config that tests the dataset.
        search: Images of the search.
        dataset: The dataset.
        max_images: The search uses so many. Default: all.
    """
    split = cfg.test_dataloader.dataset.get('split')
    try:
        test = images_to_test(cfg, split, dataset)
    except (FileNotFoundError, ValueError) as error:
        # A mapping can be searched where the images of the test are not.
        print_log(f'whether the split {split!r} that {name_of(cfg)} tests has images of the search '
                  f'is not known: {error}', logger='current', level=logging.WARNING)
        return
    warn_of_shared_images(search, test, dataset, max_images)


def format_cross_table(rows: Sequence[Row]) -> str:
    """Write a Markdown table: a row per label space, mIoU in percent and their mean."""
    datasets = list(dict.fromkeys(name for row in rows for name in row.miou))
    lines = ['| label space | ' + ' | '.join(datasets) + ' | mean |',
             '|---' * (len(datasets) + 2) + '|']
    for row in rows:
        values = [row.miou.get(d, np.nan) for d in datasets]
        known = [v for v in values if not np.isnan(v)]
        cells = [*values, np.mean(known) if known else np.nan]
        lines.append(f'| {row.label} | ' + ' | '.join(
            '-' if np.isnan(v) else f'{100 * v:.1f}' for v in cells) + ' |')
    return '\n'.join(lines)


def _by_name(model: MultiDatasetSegmentor, target: str, tested: LabelSpace) -> np.ndarray:
    space = model.label_space
    size = space.num_nodes if target == UNIFIED else space.space(target).num_classes
    try:
        nodes = match_nodes(space, tested, source=None if target == UNIFIED else target)
    except ValueError:  # no name in common
        return np.full(size, -1)
    if target == UNIFIED:
        return nodes
    classes = space.class_of_node(target)
    mapping = np.full(size, -1)
    mapping[classes[nodes >= 0]] = nodes[nodes >= 0]
    return mapping


def _miou(confusion: np.ndarray, mapping: np.ndarray) -> float:
    """Return the mean IoU over the classes that are labelled. Counts [L, P], mapping [P]."""
    if (mapping < 0).all():
        return float('nan')
    return float(np.nanmean(iou_of_mapping(confusion, mapping)))
