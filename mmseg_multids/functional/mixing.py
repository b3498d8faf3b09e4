"""Mixing two images and what is known of them (MDP, Eqs. 4 and 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Box(NamedTuple):
    """A rectangle of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def region(self) -> tuple:
        """An index for the last two dimensions."""
        return (..., slice(self.top, self.top + self.height),
                slice(self.left, self.left + self.width))


def random_box(size: tuple[int, int], share: float, generator: torch.Generator | None = None
               ) -> Box:
    """Draw a rectangle of the image's shape and of a share of its area, anywhere inside.

    Args:
        size: Height and width of the image.
        share: Share of the area, from 0 to 1.
        generator: Default: torch's own.

    Raises:
        ValueError: ``share`` is outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f'share={share}: a number from 0 to 1 is needed')
    height, width = (round(side * share ** 0.5) for side in size)
    top, left = (int(torch.randint(0, side - own + 1, (), generator=generator))
                 for side, own in zip(size, (height, width)))
    return Box(top, left, height, width)


def paste(first: Tensor, second: Tensor, box: Box) -> Tensor:
    """Return ``first`` with a rectangle of ``second`` (Eq. 4), of images or of label maps.

    Args:
        first: Shape [..., H, W].
        second: Of the same shape.
        box: Where ``second`` is seen.

    Raises:
        ValueError: Shapes differ.
    """
    _check(first, second)
    result = first.clone()
    result[box.region] = second[box.region]
    return result


def blend(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Return ``share * first + (1 - share) * second`` (Eq. 5).

    Labels are numbers and are not blended: their losses are, see
    :func:`mmseg_multids.functional.contrast.mixed_pixel_to_prototype`.

    Raises:
        ValueError: Shapes differ; ``share`` is outside 0 to 1.
    """
    _check(first, second)
    if not 0 <= share <= 1:
        raise ValueError(f'share={share}: a number from 0 to 1 is needed')
    return torch.lerp(second, first, share)


def partners_of_other_datasets(names: Sequence[str], generator: torch.Generator | None = None
                               ) -> list[int]:
    """Draw a partner of another dataset for each sample of a batch.

    Args:
        names: Dataset of each sample.
        generator: Default: torch's own.

    Returns:
        Positions in the batch; a sample's own where the batch has no other dataset.
    """
    partners = []
    for own, name in enumerate(names):
        others = [i for i, other in enumerate(names) if other != name]
        draw = int(torch.randint(0, max(len(others), 1), (), generator=generator))
        partners.append(others[draw] if others else own)
    return partners


def _check(first: Tensor, second: Tensor) -> None:
    if first.shape != second.shape:
        raise ValueError(f'shapes {list(first.shape)} and {list(second.shape)} differ')
