"""Counting which labels meet which predictions."""

from __future__ import annotations

import torch
from torch import Tensor

from .strips import loss_of_each_pixel


@torch.no_grad()
def add_confusions(counts: Tensor, logits: Tensor, labels: Tensor, ignore_index: int = 255,
                   align_corners: bool = False) -> None:
    """Add labelled pixels to the counts of their label and of the largest logit, in place.

    Logits are enlarged to the size of the labels strip by strip: those of hundreds of nodes at the
    size of an image would be gigabytes.

    Args:
        counts: Number of pixels with each label (rows) and prediction (columns). Shape [L, P],
            int64.
        logits: Shape [B, P, h, w].
        labels: Ids of the dataset's classes. Shape [B, H, W].
        ignore_index: Label id that does not count.
        align_corners: How logits are enlarged.

    Raises:
        ValueError: A label id is out of range.
    """
    num_labels, num_predictions = counts.shape
    labelled = labels != ignore_index
    largest = int(labels[labelled].max()) if bool(labelled.any()) else 0
    if largest >= num_labels:
        raise ValueError(f'label id {largest} is outside 0..{num_labels - 1} and is not '
                         f'ignore_index={ignore_index}')
    # A row more for pixels without a label.
    total = counts.new_zeros((num_labels + 1) * num_predictions)

    def rule(x: Tensor, strip: Tensor, room: Tensor, with_gradient: bool) -> Tensor:
        pairs = strip * num_predictions + x.argmax(dim=1)
        total.add_(torch.bincount(pairs.flatten(), minlength=len(total)))
        return torch.zeros_like(strip, dtype=x.dtype)

    # Labels are shifted by one: what pads a strip has label 0, and must not count either.
    shifted = torch.where(labelled, labels + 1, torch.zeros_like(labels))
    loss_of_each_pixel(logits, shifted, labelled, rule, align_corners)
    counts += total.view(num_labels + 1, num_predictions)[1:]
