"""Choosing hard pixels (online hard example mining)."""

from __future__ import annotations

import torch
from torch import Tensor


def hard_pixels(losses: Tensor, labelled: Tensor, min_kept: int,
                thresh: float | None = None) -> Tensor:
    """Return which pixels to train on, as MMSegmentation's ``OHEMPixelSampler`` chooses them.

    With a threshold: those whose label has a lower probability, ``exp(-loss)``, and more, if these
    are fewer than ``min_kept``. Without: those of the largest losses.

    Args:
        losses: Loss of each pixel. Shape [B, H, W].
        labelled: Which pixels count. Shape [B, H, W], bool.
        min_kept: Pixels to keep per image.
        thresh: Probability below which a pixel is hard.

    Returns:
        1 for chosen pixels, else 0. Shape [B, H, W], of the losses' type.
    """
    chosen = torch.zeros_like(losses)
    found = losses[labelled]
    if not found.numel():
        return chosen
    kept = min(min_kept * len(losses), found.numel() - 1)
    if thresh is None:
        picked = torch.zeros_like(found)
        picked[found.topk(min(min_kept * len(losses), found.numel())).indices] = 1
        chosen[labelled] = picked
        return chosen
    probability = (-found).exp()
    limit = max(float(probability.kthvalue(kept + 1).values), thresh)
    chosen[labelled] = (probability < limit).to(chosen.dtype)
    return chosen
