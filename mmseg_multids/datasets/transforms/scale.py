"""Random scaling relative to the image's own size."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.datasets.transforms import Resize

from ...registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomScale(BaseTransform):
    """Scale image and label map by a random factor.

    MMSegmentation's ``RandomResize`` needs a base size, which differs from dataset to dataset; this
    one is relative to the image's own size, so datasets may share it.

    Args:
        ratio_range: Smallest and largest factor, both above 0; drawn uniformly.

    Raises:
        ValueError: A range that is empty or not positive.

    Example:
        >>> dict(type='RandomScale', ratio_range=(0.5, 2.0))
    """

    def __init__(self, ratio_range: tuple[float, float] = (0.5, 2.0)) -> None:
        low, high = ratio_range
        if not 0 < low <= high:
            raise ValueError(f'ratio_range={ratio_range}: 0 < smallest <= largest is needed')
        self.ratio_range = (float(low), float(high))
        self._resize = Resize(scale=(1, 1), keep_ratio=False)

    @cache_randomness
    def _factor(self) -> float:
        return np.random.uniform(*self.ratio_range)

    def transform(self, results: dict) -> dict:
        """Resize bilinearly; label maps by the nearest pixel."""
        factor = self._factor()
        height, width = results['img'].shape[:2]
        self._resize.scale = (max(1, round(width * factor)), max(1, round(height * factor)))
        return self._resize(results)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(ratio_range={self.ratio_range})'
