"""Mean similarity of classes to nodes (UniSeg, Eq. 7)."""

from __future__ import annotations

import torch
from torch import Tensor

from .strips import loss_of_each_pixel


@torch.no_grad()
def add_class_similarities(sums: Tensor, counts: Tensor, similarity: Tensor, labels: Tensor,
                           ignore_index: int = 255, align_corners: bool = False) -> None:
    """Add the similarities of labelled pixels to the sums of their classes, in place.

    ``sums / counts`` is s of UniSeg, Eq. (7), once all images were added. Similarities are enlarged
    to the size of the labels strip by strip.

    Args:
        sums: Shape [L, N], float64.
        counts: Shape [L], int64.
        similarity: Similarity of each position to each node. Shape [B, N, h, w].
        labels: Ids of the dataset's classes. Shape [B, H, W].
        ignore_index: Label id that does not count.
        align_corners: How similarities are enlarged.

    Raises:
        ValueError: A label id is out of range.
    """
    labelled = labels != ignore_index
    found = labels[labelled]
    if found.numel() and int(found.max()) >= len(sums):
        raise ValueError(f'label id {int(found.max())} is outside 0..{len(sums) - 1} and is not '
                         f'ignore_index={ignore_index}')
    counts += torch.bincount(found, minlength=len(counts)).to(counts)
    # A row more for pixels without a label.
    total = torch.zeros(len(sums) + 1, sums.shape[1], dtype=torch.float64, device=sums.device)

    def rule(x: Tensor, strip: Tensor, room: Tensor, with_gradient: bool) -> Tensor:
        pixels = x.transpose(1, 2).flatten(0, 1)  # [pixels, N]
        sums_of_strip = pixels.new_zeros(len(total), x.shape[1])
        sums_of_strip.index_add_(0, strip.flatten(), pixels)
        total.add_(sums_of_strip)
        return torch.zeros_like(strip, dtype=x.dtype)

    # Labels are shifted by one: what pads a strip has label 0, and must not count either.
    shifted = torch.where(labelled, labels + 1, torch.zeros_like(labels))
    loss_of_each_pixel(similarity, shifted, labelled, rule, align_corners)
    sums += total[1:]
