"""Every head, every model or all nodes on every dataset (AutoUniSeg, Tables 7 to 10)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from mmengine.config import Config

from ..datasets import MultiDataset
from ..datasets.metainfo import whole_entry
from ..label_spaces import LabelSpace, NodeMapping, match_nodes
from ..label_spaces.cross_iou import iou_of_confusion, search_mapping
from ..label_spaces.unify import unify_disjoint
from ..models import UNIFIED, MultiDatasetSegmentor
from ..registry import DATASETS
from .cross_heads import gather_confusions
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
    :func:`search_mapping` finds on the datasets' training images, so nothing of the tested images
    is used; or for the class of its name.

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
            elif target == UNIFIED and dataset in space.datasets:
                mapping = space.class_of_node(dataset)
            elif match == 'search':
                mapping = search_mapping(found[dataset][target])
            else:
                mapping = _by_name(model, target, LabelSpace(dataset, own))
            mappings[dataset] = mapping
            miou[dataset] = _miou(counts[dataset][target], mapping)
        rows.append(Row(target, miou, mappings))
    return rows


def searched_mapping(model: MultiDatasetSegmentor, images: MultiDataset, dataset: str,
                     max_images: int | None = None, num_workers: int = 0) -> NodeMapping:
    """Search what the nodes of a model stand for in a dataset (AutoUniSeg, section 4.1).

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
    return NodeMapping.between(model.label_space, space,
                               search_mapping(counts[dataset][UNIFIED]))


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
    # Void predictions keep a column of their own: they are wrong, and taken by no class.
    merged = np.zeros((len(confusion), len(confusion) + 1))
    np.add.at(merged.T, np.where(mapping < 0, len(confusion), mapping), confusion.T)
    iou = np.diag(iou_of_confusion(merged)[:, :len(confusion)])
    return float(np.nanmean(iou))
