"""Intersection over union per class, as pure functions: validate, count, score, format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
from prettytable import PrettyTable


class ConfusionCounts(NamedTuple):
    """Pixels per class of one image or of many, each of shape [K], int64."""

    intersect: np.ndarray
    predicted: np.ndarray
    labelled: np.ndarray
    #: Labelled pixels left out because no prediction can name their class.
    unreachable: np.ndarray


def count_pixels(predicted: np.ndarray, labels: np.ndarray, num_classes: int,
                 ignore_index: int = 255, pred_to_dataset: Sequence[int] | None = None,
                 name: str = 'sample') -> ConfusionCounts:
    """Count the pixels of one image.

    Args:
        predicted: Predicted ids. Shape [H, W].
        labels: Ids of the dataset's classes. Shape [H, W].
        num_classes: Number of the dataset's classes K.
        ignore_index: Label id that does not count.
        pred_to_dataset: For predictions in another label space, the dataset's class of each
            predicted id, -1 for none. Predictions of no class of the dataset are wrong; labelled
            pixels of classes that no id stands for do not count.
        name: Named in errors.

    Raises:
        ValueError: The shapes differ, or an id is out of range (``histc`` would drop it silently).
    """
    if predicted.shape != labels.shape:
        raise ValueError(f'{name}: the prediction has shape {predicted.shape}, the labels '
                         f'{labels.shape}')
    valid = labels != ignore_index
    labels = labels[valid].astype(np.int64)
    predicted = predicted[valid].astype(np.int64)
    _check_range(labels, num_classes, f'{name}: label', f' and {ignore_index} (ignore)')
    num_ids = num_classes if pred_to_dataset is None else len(pred_to_dataset)
    _check_range(predicted, num_ids, f'{name}: predicted', '')
    unreachable = np.zeros(num_classes, dtype=np.int64)
    if pred_to_dataset is not None:
        table = np.asarray(pred_to_dataset, dtype=np.int64)
        predicted = table[predicted]
        reachable = np.zeros(num_classes, dtype=bool)
        reachable[table[table >= 0]] = True
        lost = ~reachable[labels]
        unreachable = np.bincount(labels[lost], minlength=num_classes)
        labels, predicted = labels[~lost], predicted[~lost]
    return ConfusionCounts(
        intersect=np.bincount(labels[labels == predicted], minlength=num_classes),
        predicted=np.bincount(predicted[predicted >= 0], minlength=num_classes),
        labelled=np.bincount(labels, minlength=num_classes),
        unreachable=unreachable)


def _check_range(ids: np.ndarray, limit: int, what: str, also: str) -> None:
    if ids.size and (ids.max() >= limit or ids.min() < 0):
        wrong = int(ids.max()) if ids.max() >= limit else int(ids.min())
        raise ValueError(f'{what} id {wrong} is out of range; allowed are 0 to {limit - 1}{also}')


@dataclass
class DatasetScores:
    """Scores of one dataset; shares from 0 to 1.

    Attributes:
        classes: Names, length K.
        iou: Intersection over union per class, NaN where it is not defined.
        acc: Recall per class.
        dice: Dice score per class.
        precision: Precision per class.
        share: Share of the labelled pixels.
        labelled: Labelled pixels per class.
        notes: Why a class does not count: ``''``, ``'no ground truth'``, ``'left out'`` or
            ``'not predicted'`` (the predictions' label space has no such class).
        aacc: Share of labelled pixels that are right.
        images: Number of images.
    """

    classes: list
    iou: list
    acc: list
    dice: list
    precision: list
    share: list
    labelled: list
    notes: list
    aacc: float
    images: int

    def mean(self, what: str = 'iou', min_share: float = 0.0) -> float:
        """Mean over the classes that count and have at least ``min_share`` of the pixels."""
        values = [v for v, note, share in zip(getattr(self, what), self.notes, self.share)
                  if not note and share >= min_share]
        return float(np.nanmean(values)) if values else float('nan')

    def to_dict(self) -> dict:
        """Return plain Python types; NaN becomes ``None``."""
        data = asdict(self)
        return {k: [None if isinstance(x, float) and np.isnan(x) else x for x in v]
                if isinstance(v, list) else v for k, v in data.items()}


def score_dataset(counts: Sequence[ConfusionCounts], classes: Sequence[str],
                  exclude: Sequence[str] = ()) -> DatasetScores:
    """Score one dataset from the counts of its images.

    Args:
        counts: Counts per image.
        classes: Names of the K classes.
        exclude: Classes that are scored but left out of the means.
    """
    total = ConfusionCounts(*(np.sum(parts, axis=0) for parts in zip(*counts)))
    with np.errstate(divide='ignore', invalid='ignore'):
        # float32 as in MMSegmentation's IoUMetric, so that the two agree to the last digit
        intersect, predicted, labelled = (np.asarray(c, dtype=np.float32) for c in total[:3])
        iou = intersect / (predicted + labelled - intersect)
        acc = intersect / labelled
        precision = intersect / predicted
        dice = 2 * intersect / (predicted + labelled)
        aacc = float(intersect.sum() / labelled.sum())
    notes = []
    for i, name in enumerate(classes):
        if total.labelled[i] == 0:
            notes.append('not predicted' if total.unreachable[i] else 'no ground truth')
        else:
            notes.append('left out' if name in exclude else '')
    every = total.labelled + total.unreachable
    return DatasetScores(
        classes=list(classes), iou=iou.tolist(), acc=acc.tolist(), dice=dice.tolist(),
        precision=precision.tolist(), share=(every / max(1, every.sum())).tolist(),
        labelled=every.tolist(), notes=notes, aacc=aacc, images=len(counts))


def harmonic_mean(values: Sequence[float]) -> float:
    """Harmonic mean; 0 if any value is 0."""
    values = np.asarray(values, dtype=np.float64)
    if (values == 0).any():
        return 0.0
    return float(len(values) / np.sum(1.0 / values))


def format_tables(scores: Mapping[str, DatasetScores], frequent_share: float | None = None) -> str:
    """Write a table per dataset and a summary, in percent.

    Args:
        scores: Scores by dataset.
        frequent_share: Also average over the classes with at least this share of the pixels.
    """
    blocks = []
    for name, score in scores.items():
        table = PrettyTable(['class', 'IoU', 'Acc', 'pixels %', 'note'])
        table.align.update({'class': 'l', 'IoU': 'r', 'Acc': 'r', 'pixels %': 'r', 'note': 'l'})
        for row in zip(score.classes, score.iou, score.acc, score.share, score.notes):
            table.add_row([row[0], _percent(row[1]), _percent(row[2]), _percent(row[3]), row[4]])
        left_out = [note for note in score.notes if note]
        counted = len(score.classes) - len(left_out)
        lines = [f'{name}: {score.images} images, {counted} of {len(score.classes)} classes count'
                 + ''.join(f'; {left_out.count(n)} {n}' for n in sorted(set(left_out)))]
        blocks.append('\n'.join([*lines, table.get_string()]))
    columns = ['dataset', 'mIoU', 'mAcc', 'aAcc']
    if frequent_share is not None:
        columns.append(f'mIoU of classes > {100 * frequent_share:g} % of pixels')
    summary = PrettyTable(columns)
    summary.align.update({c: 'r' for c in columns[1:]} | {'dataset': 'l'})
    rows = []
    for name, score in scores.items():
        row = [score.mean('iou'), score.mean('acc'), score.aacc]
        if frequent_share is not None:
            row.append(score.mean('iou', frequent_share))
        rows.append(row)
        summary.add_row([name, *map(_percent, row)])
    for title, mean in (('mean', lambda v: float(np.nanmean(v))), ('harmonic mean', harmonic_mean)):
        summary.add_row([title, *(_percent(mean(column)) for column in zip(*rows))])
    return '\n\n'.join([*blocks, summary.get_string()])


def _percent(value: float) -> str:
    return '-' if np.isnan(value) else f'{100 * value:.2f}'
