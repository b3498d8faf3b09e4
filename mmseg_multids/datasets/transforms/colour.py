"""Random colours and blur."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform

from ...registry import TRANSFORMS


def jittered(image: np.ndarray, most: Sequence[float]) -> np.ndarray:
    """Change brightness, contrast, saturation and hue of an image in random order.

    Args:
        image: BGR. Shape [H, W, 3], uint8.
        most: Largest change of the first three, as factors, and of hue, as a share of a turn.
    """
    changes = [*(np.random.uniform(1 - each, 1 + each) for each in most[:3]),
               np.random.uniform(-most[3], most[3])]
    functions = (mmcv.adjust_brightness, mmcv.adjust_contrast, mmcv.adjust_color, mmcv.adjust_hue)
    for i in np.random.permutation(4):
        image = functions[i](image, changes[i])
    return image


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    """Blur an image by a Gaussian of that many pixels."""
    return cv2.GaussianBlur(image, (0, 0), max(sigma, 1e-3))


def _check_probability(what: str, prob: float) -> None:
    if not 0 <= prob <= 1:
        raise ValueError(f'{what}: prob={prob}: a probability is needed')


@TRANSFORMS.register_module()
class RandomColourJitter(BaseTransform):
    """Change brightness, contrast, saturation and hue of an image at random, in random order.

    MMSegmentation's ``PhotoMetricDistortion`` does each with a probability of its own, and much
    more strongly.

    Args:
        brightness: Largest change; the factor is drawn from [1 - x, 1 + x].
        contrast: As brightness.
        saturation: As brightness.
        hue: Largest turn, as a share of a whole one; at most 0.5.
        prob: Probability that an image is changed.

    Raises:
        ValueError: A change that cannot be.

    Example:
        >>> dict(type='RandomColourJitter', brightness=0.1, contrast=0.1, saturation=0.1, hue=0.1)
    """

    def __init__(self, brightness: float = 0.1, contrast: float = 0.1, saturation: float = 0.1,
                 hue: float = 0.1, prob: float = 1.0) -> None:
        for name, value, limit in (('brightness', brightness, 1), ('contrast', contrast, 1),
                                   ('saturation', saturation, 1), ('hue', hue, 0.5)):
            if not 0 <= value <= limit:
                raise ValueError(f'RandomColourJitter: {name}={value}: a number from 0 to {limit} '
                                 'is needed')
        _check_probability('RandomColourJitter', prob)
        self.most = (brightness, contrast, saturation, hue)
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Change ``img``."""
        if np.random.rand() < self.prob:
            results['img'] = jittered(results['img'], self.most)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(most={self.most}, prob={self.prob})'


@TRANSFORMS.register_module()
class RandomGaussianBlur(BaseTransform):
    """Blur an image by a Gaussian of random width.

    Args:
        sigma_range: Smallest and largest standard deviation in pixels; drawn uniformly.
        prob: Probability that an image is blurred.

    Raises:
        ValueError: A range that is empty or negative; no probability.

    Example:
        >>> dict(type='RandomGaussianBlur', sigma_range=(0.15, 1.3), prob=0.5)
    """

    def __init__(self, sigma_range: tuple[float, float] = (0.15, 1.3), prob: float = 0.5) -> None:
        low, high = sigma_range
        if not 0 <= low <= high:
            raise ValueError(f'RandomGaussianBlur: sigma_range={sigma_range}: 0 <= smallest <= '
                             'largest is needed')
        _check_probability('RandomGaussianBlur', prob)
        self.sigma_range, self.prob = (float(low), float(high)), prob

    def transform(self, results: dict) -> dict:
        """Blur ``img``."""
        if np.random.rand() < self.prob:
            results['img'] = blurred(results['img'], np.random.uniform(*self.sigma_range))
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(sigma_range={self.sigma_range}, prob={self.prob})'
