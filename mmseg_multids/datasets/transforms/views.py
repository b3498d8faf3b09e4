"""Several augmented views of an image, for contrast between them (MDP, sections 3.1 and 3.3)."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform

from ...registry import TRANSFORMS
from .colour import blurred, jittered

#: Largest change of brightness, contrast and saturation (factors), and of hue (share of a turn).
_JITTER = (0.4, 0.4, 0.4, 0.1)


class Crop(NamedTuple):
    """A window of an image, in pixels, and whether it is mirrored."""

    top: int
    left: int
    height: int
    width: int
    flip: bool


@TRANSFORMS.register_module()
class PretrainViews(BaseTransform):
    """Views of an image and its labels, and versions of them that differ by colour alone.

    Each view is a random crop, scaled to ``size`` and perhaps mirrored, with the augmentations of
    MoCo v2 (Chen et al., "Improved baselines with momentum contrastive learning", 2020): crops of
    20 % to 100 % of the area, changed brightness, contrast, saturation and hue, grey images, and
    blur. A twin shows the crop of a view in other colours, so that its pixels correspond to the
    view's. Labels follow the crops, by the nearest pixel.

    The views lie below each other in ``img`` [V * H, W, 3] and in each of ``seg_fields``
    [V * H, W]: first the views, then the twins. ``num_views`` says how many there are; the packing
    transform must take it along.

    Args:
        size: Height and width of a view.
        area_range: Smallest and largest share of the image's area that is cropped.
        ratio_range: Smallest and largest width per height of a crop.
        flip: Probability of mirroring.
        jitter: Probability of changed colours.
        grey: Probability of a grey image.
        blur: Probability of blurring.
        twins: Number of twins: 0, 1 (of the first view, as in MDP's Figure 2) or 2.
        views: Number of views: 2, or 1 for supervised training with the same augmentation.

    Raises:
        ValueError: A value that cannot be.

    Example:
        >>> train_pipeline = [
        ...     dict(type='LoadImageFromFile'), dict(type='LoadLabelMap'),
        ...     dict(type='PretrainViews', size=(224, 224)),
        ...     dict(type='PackSegInputs', meta_keys=('img_path', 'num_views'))]
    """

    def __init__(self, size: tuple[int, int], area_range: tuple[float, float] = (0.2, 1.0),
                 ratio_range: tuple[float, float] = (3 / 4, 4 / 3), flip: float = 0.5,
                 jitter: float = 0.8, grey: float = 0.2, blur: float = 0.5,
                 twins: int = 1, views: int = 2) -> None:
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f'PretrainViews: size={size}: height and width above 0 are needed')
        if not 0 < area_range[0] <= area_range[1] <= 1:
            raise ValueError(f'PretrainViews: area_range={area_range}: 0 < smallest <= largest <= '
                             '1 is needed')
        if not 0 < ratio_range[0] <= ratio_range[1]:
            raise ValueError(f'PretrainViews: ratio_range={ratio_range}: 0 < smallest <= largest '
                             'is needed')
        for name, value in (('flip', flip), ('jitter', jitter), ('grey', grey), ('blur', blur)):
            if not 0 <= value <= 1:
                raise ValueError(f'PretrainViews: {name}={value}: a probability is needed')
        if views not in (1, 2):
            raise ValueError(f'PretrainViews: views={views}: allowed are 1 and 2')
        if twins not in range(views + 1):
            raise ValueError(f'PretrainViews: twins={twins}: allowed are '
                             f'{", ".join(map(str, range(views + 1)))} with views={views}')
        self.size = tuple(size)
        self.area_range, self.ratio_range = tuple(area_range), tuple(ratio_range)
        self.flip, self.jitter, self.grey, self.blur = flip, jitter, grey, blur
        self.twins, self.views = twins, views

    def transform(self, results: dict) -> dict:
        """Make the views."""
        image = results['img']
        crops = [self._crop(*image.shape[:2]) for _ in range(self.views)]
        crops += crops[:self.twins]
        results['img'] = np.concatenate(
            [self._colours(_resized(image, crop, self.size)) for crop in crops])
        for key in results.get('seg_fields', ()):
            results[key] = np.concatenate(
                [_nearest(results[key], crop, self.size) for crop in crops])
        results['img_shape'] = results['img'].shape[:2]
        results['num_views'] = len(crops)
        return results

    def _crop(self, height: int, width: int) -> Crop:
        flip = bool(np.random.rand() < self.flip)
        for _ in range(10):
            area = np.random.uniform(*self.area_range) * height * width
            # As probably twice as wide as half as wide.
            ratio = np.exp(np.random.uniform(*np.log(self.ratio_range)))
            own = round((area / ratio) ** 0.5), round((area * ratio) ** 0.5)
            if 0 < own[0] <= height and 0 < own[1] <= width:
                top, left = (np.random.randint(0, side - part + 1)
                             for side, part in zip((height, width), own))
                return Crop(top, left, *own, flip)
        # An image so long that no crop of the area fits: the largest one of an allowed shape.
        ratio = float(np.clip(width / height, *self.ratio_range))
        own = min(height, max(1, round(width / ratio))), min(width, max(1, round(height * ratio)))
        return Crop((height - own[0]) // 2, (width - own[1]) // 2, *own, flip)

    def _colours(self, image: np.ndarray) -> np.ndarray:
        if np.random.rand() < self.jitter:
            image = jittered(image, _JITTER)
        if np.random.rand() < self.grey:
            image = np.repeat(mmcv.bgr2gray(image, keepdim=True), 3, axis=2)
        if np.random.rand() < self.blur:
            # In units of pixels of a view of 224 pixels.
            sigma = np.random.uniform(0.1, 2.0) * min(self.size) / 224
            image = blurred(image, sigma)
        return image

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size}, views={self.views}, '\
            f'twins={self.twins})'


def _resized(image: np.ndarray, crop: Crop, size: tuple[int, int]) -> np.ndarray:
    window = _window(image, crop)
    # Averages where pixels become fewer, so that nothing flickers between views.
    shrinks = window.shape[0] >= size[0] and window.shape[1] >= size[1]
    window = cv2.resize(np.ascontiguousarray(window), size[::-1],
                        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return window[:, ::-1] if crop.flip else window


def _nearest(labels: np.ndarray, crop: Crop, size: tuple[int, int]) -> np.ndarray:
    """Sample at the centres of the new pixels, where bilinear scaling of the image samples."""
    window = _window(labels, crop)
    rows, columns = (((np.arange(new) + 0.5) * old / new).astype(int)
                     for new, old in zip(size, window.shape[:2]))
    window = window[rows[:, None], columns]
    return window[:, ::-1] if crop.flip else window


def _window(array: np.ndarray, crop: Crop) -> np.ndarray:
    return array[crop.top:crop.top + crop.height, crop.left:crop.left + crop.width]
