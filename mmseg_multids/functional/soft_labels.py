"""Losses with a distribution over classes for each pixel instead of a class."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class SoftLabels(NamedTuple):
    """The classes that pixels may be, and how sure each is."""

    #: Class ids, or the ignore index. Shape [B, K, H, W], int64.
    ids: Tensor
    #: From 0 to 1; the sum over K is 1 where a pixel is labelled, else 0. Shape [B, K, H, W].
    scores: Tensor


def soft_label_loss(loss: Callable[..., Tensor], soft: SoftLabels, ignore_index: int = 255,
                    class_weight: Tensor | None = None,
                    pixel_weight: Tensor | None = None) -> Tensor:
    """Cross entropy with soft labels (self-training, appendix A.1): the mean over labelled pixels.

    Cross entropies are linear in the target, so that with the distribution q it is the sum over k
    of q_k times that with the class k. Any loss that takes a weight for each pixel will do.

    Args:
        loss: Called as ``loss(labels, pixel_weight=..., class_weight=..., reduction='sum')`` with
            labels [B, H, W], K times.
        soft: The labels.
        ignore_index: Id of pixels that do not count.
        class_weight: A factor for each class; the mean is weighted, too. Shape [C].
        pixel_weight: A factor for each pixel that does not change what the sum is divided by.
            Shape [B, H, W].

    Returns:
        A scalar; 0 with a graph where nothing is labelled.

    Raises:
        ValueError: ``ids`` and ``scores`` are of different shapes.
    """
    if soft.ids.shape != soft.scores.shape or soft.ids.dim() != 4:
        raise ValueError(f'soft labels: ids {list(soft.ids.shape)} and scores '
                         f'{list(soft.scores.shape)}: both must be [B, K, H, W]')
    total, count = 0.0, 0.0
    for ids, scores in zip(soft.ids.unbind(1), soft.scores.unbind(1)):
        weight = scores if pixel_weight is None else scores * pixel_weight.to(scores)
        total = total + loss(ids, pixel_weight=weight, class_weight=class_weight, reduction='sum')
        scores = scores.masked_fill(ids == ignore_index, 0)
        if class_weight is not None:
            scores = scores * class_weight.to(scores)[ids.masked_fill(ids == ignore_index, 0)]
        count = count + scores.sum()
    return total / torch.where(count > 0, count, torch.ones_like(count))


def soften(labels: Tensor, ids: list[Tensor | None], scores: list[Tensor | None],
           ignore_index: int = 255) -> SoftLabels | None:
    """Bring samples with and without soft labels together.

    Args:
        labels: Class ids of all samples. Shape [B, H, W].
        ids: Of each sample [K, h, w], smaller than the labels where these were padded at the bottom
            and right, or ``None`` for those that have labels alone.
        scores: As the ids; they are brought to a sum of 1.
        ignore_index: Id of pixels that do not count; what ``labels`` ignore is ignored.

    Returns:
        Soft labels of all samples, with the largest K; ``None`` where no sample has any.
    """
    most = max((len(own) for own in ids if own is not None), default=0)
    if not most:
        return None
    labelled = labels != ignore_index
    # A sample with labels alone: the first of its K classes is sure.
    all_ids = labels.long()[:, None].repeat(1, most, 1, 1)
    all_scores = torch.zeros(all_ids.shape, dtype=torch.float32, device=labels.device)
    all_scores[:, 0] = 1
    for i, (own, sure) in enumerate(zip(ids, scores)):
        if own is not None:
            count, height, width = own.shape
            all_scores[i] = 0
            all_ids[i, :count, :height, :width] = own.to(all_ids)
            all_scores[i, :count, :height, :width] = sure.to(all_scores)
    sums = all_scores.sum(dim=1)
    labelled = labelled & (sums > 0)
    all_scores = torch.where(labelled[:, None], all_scores / sums.clamp(min=1e-12)[:, None],
                             torch.zeros_like(all_scores))
    # What has no weight may have any class, but for pixels that do not count at all.
    all_ids = torch.where(all_scores > 0, all_ids, labels.long()[:, None])
    return SoftLabels(all_ids.masked_fill(~labelled[:, None], ignore_index), all_scores)
