"""Softmax and partial-label binary cross entropy at the labels' resolution, in little memory.

Logits may be smaller than the labels: they are enlarged strip by strip, see :mod:`.strips`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .strips import PixelRule, loss_of_each_pixel, sum_over_pixels

#: A product of this many factors from 0.5 to 1 is far from underflow in single precision.
_FACTORS = 64


def pixel_cross_entropy(logits: Tensor, target: Tensor, ignore_index: int = 255,
                        class_weight: Tensor | None = None, pixel_weight: Tensor | None = None,
                        reduction: str = 'mean', align_corners: bool = False) -> Tensor:
    """Softmax cross entropy (UniSeg, Eq. 1) of logits that may be smaller than the labels.

    Equals ``F.cross_entropy`` after ``F.interpolate(mode='bilinear')``.

    Args:
        logits: Shape [B, K, h, w].
        target: Shape [B, H, W], int64.
        ignore_index: Label id that does not count.
        class_weight: A factor for each class's pixels; the mean is weighted, too. Shape [K].
        pixel_weight: A factor for each pixel that does not change what the sum is divided by, as
            MMSegmentation's pixel samplers have it. Shape [B, H, W].
        reduction: ``'mean'`` over the labelled pixels; ``'sum'``; ``'none'`` for each pixel's loss,
            [B, H, W], without gradient, for choosing pixels.
        align_corners: How the logits are enlarged.

    Returns:
        A scalar (or a map); 0 with a graph where nothing is labelled.

    Raises:
        ValueError: Shapes do not fit; a label id is out of range (checked on the CPU).
    """
    _check(logits, target, ignore_index, logits.shape[1])
    return _reduce(logits, target, softmax_rule, ignore_index, class_weight, pixel_weight,
                   reduction, align_corners)


class SupervisionTable(NamedTuple):
    """What each label says about each channel; made by :func:`supervision_table`."""

    #: Channels that some label supervises; those that every label supervises come first. [R]
    columns: Tensor
    #: How many columns every label supervises.
    num_dense: int
    #: Which of the other columns a label leaves alone. [L, R - num_dense], bool
    unsupervised: Tensor
    #: Positions among the columns that are 1, filled up with -1. [L, P]
    positives: Tensor
    #: Number of channels K of the table.
    num_channels: int
    #: Whether the columns are the channels 0 to K - 1, so that nothing needs to be gathered.
    in_order: bool

    def to(self, device: torch.device) -> SupervisionTable:
        """Move to a device."""
        return self._replace(columns=self.columns.to(device),
                             unsupervised=self.unsupervised.to(device),
                             positives=self.positives.to(device))


def supervision_table(table: Tensor) -> SupervisionTable:
    """Prepare a table for :func:`partial_label_bce`.

    Args:
        table: ``table[y, k]`` is 1 or 0, what channel k should say for label y, or -1: nothing.
            Shape [L, K].

    Raises:
        ValueError: Another value, or a label that is 1 nowhere.
    """
    table = table.cpu()
    if table.dim() != 2 or not bool(((table == -1) | (table == 0) | (table == 1)).all()):
        raise ValueError(f'a supervision table has labels x channels of 1, 0 or -1, got shape '
                         f'{list(table.shape)} with values {table.unique().tolist()[:8]}')
    without = torch.nonzero(~(table == 1).any(dim=1)).flatten().tolist()
    if without:
        raise ValueError(f'row(s) {without[:8]} of the supervision table have no 1: each label '
                         'needs a channel that stands for it')
    supervised = table >= 0
    dense = torch.nonzero(supervised.all(dim=0)).flatten()
    partial = torch.nonzero(supervised.any(dim=0) & ~supervised.all(dim=0)).flatten()
    columns = torch.cat([dense, partial])
    ones = table[:, columns] == 1
    positives = torch.full((len(table), int(ones.sum(dim=1).max())), -1)
    for label, row in enumerate(ones):
        found = torch.nonzero(row).flatten()
        positives[label, :len(found)] = found
    return SupervisionTable(columns, len(dense), ~supervised[:, partial], positives,
                            table.shape[1], columns.tolist() == list(range(table.shape[1])))


def partial_label_bce(logits: Tensor, target: Tensor, table: Tensor | SupervisionTable,
                      ignore_index: int = 255, class_weight: Tensor | None = None,
                      pixel_weight: Tensor | None = None, reduction: str = 'mean',
                      align_corners: bool = False) -> Tensor:
    """Sigmoid cross entropy where a label supervises some of the channels (UniSeg, Eq. 4 and 8).

    The sum over a pixel's supervised channels, the mean over labelled pixels. Null BCE (Eq. 4) and
    class-relational BCE (Eq. 8) are two tables. No one-hot labels are made, and channels that no
    label supervises are not computed.

    Args:
        logits: Shape [B, K, h, w].
        target: Shape [B, H, W], int64, rows of the table.
        table: 1, 0 or -1 (no supervision) for each label and channel, shape [L, K]; or, to prepare
            it once, what :func:`supervision_table` makes of it.
        ignore_index: Label id that does not count.
        class_weight: A factor for each label's pixels; the mean is weighted, too. Shape [L].
        pixel_weight: As in :func:`pixel_cross_entropy`.
        reduction: As in :func:`pixel_cross_entropy`.
        align_corners: How the logits are enlarged.

    Returns:
        A scalar (or a map); 0 with a graph where nothing is labelled.

    Raises:
        ValueError: As :func:`supervision_table`; shapes do not fit; a label id is out of range
            (checked on the CPU).
    """
    if not isinstance(table, SupervisionTable):
        table = supervision_table(table)
    table = table.to(logits.device)
    if table.num_channels != logits.shape[1]:
        raise ValueError(f'the table has {table.num_channels} channels, the logits have '
                         f'{logits.shape[1]}')
    _check(logits, target, ignore_index, len(table.positives))
    if not table.in_order:
        logits = logits.index_select(1, table.columns)
    return _reduce(logits, target, _bce_rule(table), ignore_index, class_weight, pixel_weight,
                   reduction, align_corners)


def _check(logits: Tensor, target: Tensor, ignore_index: int, num_labels: int) -> None:
    if logits.dim() != 4 or target.dim() != 3 or len(logits) != len(target):
        raise ValueError('logits [B, K, h, w] and labels [B, H, W] are needed, got '
                         f'{list(logits.shape)} and {list(target.shape)}')
    if target.is_cuda or not target.numel():
        return  # on a GPU it would wait for the device, where the look-up itself asserts
    smallest, largest = (int(x) for x in target.masked_fill(target == ignore_index, 0).aminmax())
    if smallest < 0 or largest >= num_labels:
        wrong = largest if largest >= num_labels else smallest
        raise ValueError(f'label id {wrong} is outside 0..{num_labels - 1} and is not '
                         f'ignore_index={ignore_index}')


def _reduce(logits: Tensor, target: Tensor, rule: PixelRule, ignore_index: int,
            class_weight: Tensor | None, pixel_weight: Tensor | None, reduction: str,
            align_corners: bool) -> Tensor:
    labelled = target != ignore_index
    labels = target.masked_fill(~labelled, 0)
    weights = labelled.to(torch.float64 if logits.dtype == torch.float64 else torch.float32)
    if class_weight is not None:
        weights = weights * class_weight.to(weights)[labels]
    total = weights.sum()
    if pixel_weight is not None:
        weights = weights * pixel_weight.to(weights)
    if reduction == 'none':
        return loss_of_each_pixel(logits, labels, weights, rule, align_corners)
    loss = sum_over_pixels(logits, labels, weights, rule, align_corners)
    if reduction == 'sum':
        return loss
    if reduction != 'mean':
        raise ValueError(f"reduction={reduction!r}: allowed are 'mean', 'sum' and 'none'")
    return loss / torch.where(total > 0, total, torch.ones_like(total))


def _positions(labels: Tensor, channels: int) -> Tensor:
    """Positions of each pixel's channel in a flat [M, K, c]; labels and result [M, c]."""
    pixels = labels.shape[1]
    start = torch.arange(len(labels), device=labels.device)[:, None] * (channels * pixels)
    return start + torch.arange(pixels, device=labels.device) + labels * pixels


def softmax_rule(x: Tensor, labels: Tensor, room: Tensor, with_gradient: bool) -> Tensor:
    """Cross entropy and its gradient: UniSeg, Eq. (a-11) and (a-13)."""
    at = _positions(labels, x.shape[1])
    largest = x.amax(dim=1, keepdim=True)  # [M, 1, c]
    losses = largest.squeeze(1) - x.take(at)
    exponentials = x.sub_(largest).exp_()
    total = exponentials.sum(dim=1, keepdim=True)
    losses += total.squeeze(1).log()
    if with_gradient:
        torch.mul(exponentials, total.reciprocal_(), out=room)
        room.put_(at, -torch.ones_like(losses), accumulate=True)
    return losses


def _bce_rule(table: SupervisionTable) -> PixelRule:
    unsupervised = table.unsupervised.t().contiguous()  # [E, L]

    def rule(x: Tensor, labels: Tensor, room: Tensor, with_gradient: bool) -> Tensor:
        """Eq. (8) as ``sum_k softplus(x_k) - sum_{k: 1} x_k``; gradient: Eq. (5), (a-16)."""
        if len(unsupervised):
            # Neither loss nor gradient comes from a logit of minus infinity that should be 0.
            x[:, table.num_dense:].masked_fill_(unsupervised[:, labels].transpose(0, 1),
                                                float('-inf'))
        torch.sigmoid(x, out=room)
        # What softplus adds to its hinge is -log max(s, 1 - s) with s = sigmoid(x): far cheaper as
        # the logarithm of a product, and s is needed for the gradient.
        losses = 0
        factors = torch.empty_like(x)
        torch.sub(room, 0.5, out=factors).abs_().add_(0.5)
        for part in factors.split(_FACTORS, dim=1):
            losses = losses - part.prod(dim=1).log_()
        for position in table.positives.unbind(dim=1):
            channel = position[labels]
            used = (channel >= 0).to(x.dtype)
            at = _positions(channel.clamp(min=0), x.shape[1])
            losses = losses - torch.where(channel >= 0, x.take(at), torch.zeros_like(used))
            if with_gradient:
                room.put_(at, -used, accumulate=True)
        return losses + x.clamp_(min=0).sum(dim=1)

    return rule
