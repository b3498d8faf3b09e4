"""What predictions in one label space say of labels in another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def iou_of_confusion(confusion: np.ndarray) -> np.ndarray:
    """Return the IoU of each class with each prediction that might stand for it.

    Args:
        confusion: Number of pixels with each label (rows) and prediction (columns). Shape [L, P].

    Returns:
        From 0 to 1; NaN for labels that are on no pixel. Shape [L, P].
    """
    confusion = np.asarray(confusion, dtype=np.float64)
    labelled = confusion.sum(axis=1, keepdims=True)
    union = labelled + confusion.sum(axis=0, keepdims=True) - confusion
    iou = np.divide(confusion, union, out=np.zeros_like(confusion), where=union > 0)
    return np.where(labelled > 0, iou, np.nan)


def iou_of_mapping(confusion: np.ndarray, mapping: np.ndarray) -> np.ndarray:
    """Return the IoU of each class with all predictions that stand for it.

    Args:
        confusion: Number of pixels with each label (rows) and prediction (columns). Shape [L, P].
        mapping: Class of each prediction, -1 for none. Shape [P].

    Returns:
        From 0 to 1; NaN for labels that are on no pixel. Shape [L].
    """
    # Void predictions keep a column of their own: they are wrong, and taken by no class.
    merged = np.zeros((len(confusion), len(confusion) + 1))
    np.add.at(merged.T, np.where(mapping < 0, len(confusion), mapping), np.transpose(confusion))
    return np.diag(iou_of_confusion(merged)[:, :len(confusion)]).copy()


def iou_without_each(confusion: np.ndarray, mapping: np.ndarray) -> np.ndarray:
    """Return the IoU that the class of each prediction would have without that prediction.

    Args:
        confusion: Number of pixels with each label (rows) and prediction (columns). Shape [L, P].
        mapping: Class of each prediction, -1 for none. Shape [P].

    Returns:
        From 0 to 1; NaN for predictions without a class, and where a class is on no pixel.
        Shape [P].
    """
    confusion = np.asarray(confusion, dtype=np.float64)
    stands = np.flatnonzero(mapping >= 0)
    own = mapping[stands]
    each_hits, each_taken = confusion[own, stands], confusion.sum(axis=0)[stands]
    hits = np.bincount(own, each_hits, len(confusion))[own] - each_hits
    taken = np.bincount(own, each_taken, len(confusion))[own] - each_taken
    labelled = confusion.sum(axis=1)[own]
    found = np.full(len(mapping), np.nan)
    there = labelled > 0
    found[stands[there]] = hits[there] / (labelled + taken - hits)[there]
    return found


def cross_ious(confusions: Mapping[str, Mapping[str, np.ndarray]]) -> dict:
    """Return the IoU matrices of every head on every dataset, for :func:`.merging.merge_costs`.

    Args:
        confusions: ``confusions[a][b]`` are those of the images of dataset a with the head of b.
    """
    return {(a, b): iou_of_confusion(found) for a, row in confusions.items()
            for b, found in row.items()}


def search_mapping(confusion: np.ndarray, max_sweeps: int = 20) -> np.ndarray:
    """Search the class that each prediction stands for so that the mean IoU is largest.

    AutoUniSeg, section 4.1: nodes of a trained model are mapped to the classes of a dataset that it
    was not trained on, and only the mapping changes. Begins with the class that a prediction
    overlaps most, and changes one prediction at a time, to any class or to none, while that helps.

    Args:
        confusion: Number of pixels with each label (rows) and prediction (columns). Shape [L, P].
        max_sweeps: Times to go through the predictions.

    Returns:
        The class of each prediction, -1 for none. Shape [P], int64.

    Raises:
        ValueError: No pixel is labelled.
    """
    confusion = np.asarray(confusion, dtype=np.float64)
    labelled = confusion.sum(axis=1)  # [L]
    if not labelled.sum():
        raise ValueError('no pixel is labelled: there is nothing to search with')
    there = labelled > 0
    mapping = np.where(confusion.sum(axis=0) > 0, confusion.argmax(axis=0), -1)  # [P]
    totals = confusion.sum(axis=0)
    hits, taken = np.zeros(len(labelled)), np.zeros(len(labelled))
    for p, c in enumerate(mapping):
        if c >= 0:
            hits[c] += confusion[c, p]
            taken[c] += totals[p]

    def iou(of_hits: np.ndarray, of_taken: np.ndarray, classes: np.ndarray) -> np.ndarray:
        union = labelled[classes] + of_taken - of_hits
        return np.divide(of_hits, union, out=np.zeros_like(of_hits), where=union > 0) \
            * there[classes]

    every = np.arange(len(labelled))
    for _ in range(max_sweeps):
        changed = False
        for p in np.flatnonzero(totals):
            old = mapping[p]
            if old >= 0:
                hits[old] -= confusion[old, p]
                taken[old] -= totals[p]
            gain = iou(hits + confusion[:, p], taken + totals[p], every) - iou(hits, taken, every)
            # A dataset may have classes that these images lack: they are never chosen.
            best = int(np.argmax(np.where(there, gain, -np.inf)))
            new = best if gain[best] > 0 else -1
            if new >= 0 and old >= 0 and gain[new] <= gain[old] + 1e-12:
                new = old
            if new >= 0:
                hits[new] += confusion[new, p]
                taken[new] += totals[p]
            changed |= bool(new != old)
            mapping[p] = new
        if not changed:
            break
    return mapping.astype(np.int64)
