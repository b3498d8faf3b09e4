"""Intersection over union per class, as pure functions: validate, count, score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np


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
        pred_to_dataset: For predictions in another label space of P ids, the dataset's class of
            each id, -1 for none. Predictions of no class of the dataset are wrong; labelled pixels
            of classes that no id stands for do not count.
        name: Named in errors.

    Raises:
        ValueError: The shapes differ, or an id is out of range (``histc`` would drop it silently).
    """
    if predicted.shape != labels.shape:
        raise ValueError(f'{name}: the prediction has shape {predicted.shape}, the labels '
                         f'{labels.shape}')
    table = (np.arange(num_classes) if pred_to_dataset is None
             else np.asarray(pred_to_dataset, dtype=np.int64))  # [P]
    _check_range(table, num_classes, f'{name}: pred_to_dataset class', least=-1)
    valid = labels != ignore_index
    # Ignored pixels become (0, 0) and are subtracted below: faster than gathering the valid ones.
    rows = np.where(valid, labels, 0).astype(np.int64, copy=False)
    columns = np.where(valid, predicted, 0).astype(np.int64, copy=False)
    _check_range(rows, num_classes, f'{name}: label', f' and {ignore_index} (ignore)')
    _check_range(columns, len(table), f'{name}: predicted')
    rows *= len(table)
    rows += columns
    confusion = np.bincount(rows.ravel(), minlength=num_classes * len(table))
    confusion[0] -= valid.size - np.count_nonzero(valid)
    confusion = confusion.reshape(num_classes, len(table))  # [K, P]
    labelled = confusion.sum(axis=1)  # [K]
    reachable = np.isin(np.arange(num_classes), table)  # [K]
    inside = np.flatnonzero(table >= 0)
    found, intersect = np.zeros((2, num_classes), dtype=np.int64)
    np.add.at(found, table[inside], confusion[reachable].sum(axis=0)[inside])
    np.add.at(intersect, table[inside], confusion[table[inside], inside])
    return ConfusionCounts(intersect=intersect, predicted=found, labelled=labelled * reachable,
                           unreachable=labelled * ~reachable)


def _check_range(ids: np.ndarray, limit: int, what: str, also: str = '', least: int = 0) -> None:
    if ids.size and (ids.max() >= limit or ids.min() < least):
        wrong = int(ids.max()) if ids.max() >= limit else int(ids.min())
        raise ValueError(f'{what} id {wrong} is out of range; allowed are {least} to '
                         f'{limit - 1}{also}')


@dataclass
class DatasetScores:
    """Scores of one dataset; shares from 0 to 1.

    Attributes:
        classes: Names, length K.
        iou: Intersection over union per class, NaN where it is not defined.
        acc: Recall per class.
        dice: Dice score per class.
        precision: Precision per class, NaN for a class that is never predicted.
        fscore: F1 per class, NaN for a class without a right pixel, as in ``IoUMetric``.
        share: Share of the labelled pixels.
        labelled: Labelled pixels per class.
        notes: Why a class does not count: ``''``, ``'no ground truth'``, ``'left out'`` or
            ``'not predicted'`` (the predictions' label space has no such class).
        aacc: Share of labelled pixels that are right, whatever their class.
        images: Number of images.
    """

    classes: list
    iou: list
    acc: list
    dice: list
    precision: list
    fscore: list
    share: list
    labelled: list
    notes: list
    aacc: float
    images: int

    def mean(self, what: str = 'iou', above_share: float | None = None) -> float:
        """Mean over the classes that count; NaN if there is none.

        Args:
            what: Name of a per-class attribute.
            above_share: Only over classes with more than this share of the labelled pixels.
        """
        # float32 as in IoUMetric, so that the two agree to the last digit
        values = np.array([v for v, counts in zip(getattr(self, what), self._counting(above_share))
                           if counts], dtype=np.float32)
        return float('nan') if np.isnan(values).all() else float(np.nanmean(values))

    def num_frequent(self, above_share: float) -> int:
        """Number of classes that :meth:`mean` takes with ``above_share``."""
        return sum(self._counting(above_share))

    def _counting(self, above_share: float | None) -> list[bool]:
        return [not note and (above_share is None or share > above_share)
                for note, share in zip(self.notes, self.share)]

    def to_dict(self) -> dict:
        """Return plain Python types; NaN becomes ``None``."""
        return without_nan(asdict(self))

    @classmethod
    def from_dict(cls, data: dict) -> DatasetScores:
        """Return the scores that :meth:`to_dict` wrote, as in a report's ``scores.json``."""
        nan = float('nan')
        return cls(**{key: [nan if v is None else v for v in value] if isinstance(value, list)
                      else nan if value is None else value for key, value in data.items()})


def score_dataset(counts: Sequence[ConfusionCounts], classes: Sequence[str],
                  exclude: Sequence[str] = ()) -> DatasetScores:
    """Score one dataset from the counts of its images.

    Args:
        counts: Counts per image; of no image at all every class is without ground truth.
        classes: Names of the K classes.
        exclude: Classes that are scored but left out of the means over classes.
    """
    none = ConfusionCounts(*np.zeros((4, len(classes)), dtype=np.int64))
    total = ConfusionCounts(*(np.sum(parts, axis=0) for parts in zip(none, *counts)))
    with np.errstate(divide='ignore', invalid='ignore'):
        # Exact counts, then float32 divisions as in MMSegmentation's IoUMetric.
        intersect, predicted, labelled = (c.astype(np.float32) for c in total[:3])
        iou = intersect / (total.predicted + total.labelled - total.intersect).astype(np.float32)
        acc = intersect / labelled
        precision = intersect / predicted
        dice = 2 * intersect / (total.predicted + total.labelled).astype(np.float32)
        fscore = 2 * (precision * acc) / (precision + acc)
        aacc = float(np.float32(total.intersect.sum()) / np.float32(total.labelled.sum()))
    notes = []
    for i, name in enumerate(classes):
        if total.labelled[i] == 0:
            notes.append('not predicted' if total.unreachable[i] else 'no ground truth')
        else:
            notes.append('left out' if name in exclude else '')
    every = total.labelled + total.unreachable
    return DatasetScores(
        classes=list(classes), iou=iou.tolist(), acc=acc.tolist(), dice=dice.tolist(),
        precision=precision.tolist(), fscore=fscore.tolist(),
        share=(every / max(1, every.sum())).tolist(), labelled=every.tolist(), notes=notes,
        aacc=aacc, images=len(counts))


def arithmetic_mean(values: Sequence[float]) -> float:
    """Mean of what is defined; NaN if nothing is."""
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else float('nan')


def harmonic_mean(values: Sequence[float]) -> float:
    """Harmonic mean of what is defined; 0 if any value is 0, NaN if nothing is defined."""
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    if not values.size or (values == 0).any():
        return 0.0 if values.size else float('nan')
    return float(len(values) / np.sum(1.0 / values))


def without_nan(data):
    """Return a copy of nested dicts and lists with ``None`` for NaN, which JSON does not know."""
    if isinstance(data, dict):
        return {key: without_nan(value) for key, value in data.items()}
    if isinstance(data, list):
        return [without_nan(value) for value in data]
    return None if isinstance(data, float) and np.isnan(data) else data
