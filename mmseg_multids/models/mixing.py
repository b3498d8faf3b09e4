"""Mixing the images of a batch across datasets (MDP, section 3.3)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmengine.dist import broadcast
from mmengine.logging import print_log
from torch import Tensor

from ..functional.mixing import blend, partners_of_other_datasets, paste, random_box


class MixedBatch(NamedTuple):
    """A batch of which each image is mixed of two, with the labels of both."""

    inputs: Tensor  # [B, 3, H, W]
    #: Of the images' own datasets. [B, H, W]
    labels: Tensor
    #: Datasets of the partners, B.
    partner_names: tuple[str, ...]
    #: In the ids of the partners' datasets. [B, H, W]
    partner_labels: Tensor
    #: How much of each image is its own.
    share: float
    #: Whether each pixel shows both images, not one of them.
    blended: bool


class CrossDatasetMixing:
    """Mixes the images of a batch with images of other datasets in it (MDP, Eqs. 4 to 6).

    A mixed image keeps both label maps, each in its own dataset's ids, so label spaces need not
    agree: a loss is the shares' sum of the losses with each. At region level (CutMix) a rectangle
    shows the partner, and each map is ignored where the other is seen; at pixel level (mixup) both
    count everywhere.

    Dataset-specific layers treat a mixed image as its first dataset's.

    Args:
        region: Probability that a batch is mixed by regions.
        pixel: Probability that it is mixed by pixels.
        ignore_index: Label id that does not count.

    Raises:
        ValueError: Probabilities below 0 or of more than 1 together.
    """

    def __init__(self, region: float = 0.0, pixel: float = 0.0, ignore_index: int = 255) -> None:
        if not (region >= 0 and pixel >= 0 and 0 < region + pixel <= 1):
            raise ValueError(f'mixing: region={region} and pixel={pixel} are probabilities; '
                             'together they must be above 0 and at most 1')
        self.region, self.pixel, self.ignore_index = region, pixel, ignore_index
        self._said = False

    def __call__(self, inputs: Tensor, labels: Tensor, names: Sequence[str]) -> MixedBatch | None:
        """Mix a batch, or return ``None`` where it stays as it is.

        All processes mix the same way by the same share; partners are drawn by each.

        Args:
            inputs: Shape [B, 3, H, W].
            labels: Shape [B, H, W].
            names: Dataset of each image.
        """
        # One decision for all processes: those that add up counts of labels must agree.
        drawn = torch.rand(2).to(inputs.device)
        broadcast(drawn)
        kind, share = drawn.tolist()
        if kind >= self.region + self.pixel:
            return None
        if len(set(names)) < 2:
            if not self._said:
                print_log('mixing: a batch is of one dataset and cannot be mixed; the plans '
                          "'mixed' and 'concat' bring several into one", logger='current',
                          level=logging.WARNING)
                self._said = True
            return None
        partners = partners_of_other_datasets(names)
        partner_names = tuple(names[i] for i in partners)
        others, other_labels = inputs[partners], labels[partners]
        if kind >= self.region:
            return MixedBatch(blend(inputs, others, share), labels, partner_names, other_labels,
                              share, True)
        size = tuple(labels.shape[1:])
        boxes = [random_box(size, 1 - share) for _ in names]
        nothing = torch.full_like(labels[0], self.ignore_index)
        return MixedBatch(
            torch.stack([paste(a, b, box) for a, b, box in zip(inputs, others, boxes)]),
            torch.stack([paste(own, nothing, box) for own, box in zip(labels, boxes)]),
            partner_names,
            torch.stack([paste(nothing, other, box) for other, box in zip(other_labels, boxes)]),
            1 - boxes[0].height * boxes[0].width / (size[0] * size[1]), False)
