"""A crop whose size and place the sampler may decide."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform

from ...registry import TRANSFORMS


@TRANSFORMS.register_module()
class PlannedCrop(BaseTransform):
    """Crop image and label map, as the sample's request says or at random.

    Smaller images are padded at the bottom and right, with zeros and with the ignore index, so all
    samples of a batch have one size. The crop's size is the request's ``crop_size`` where there is
    one, and its place is around the request's ``centre`` (moved inwards at the border), which is
    followed through scaling, any number of times, and mirroring before the crop; so schedules of
    crop sizes and class-uniform crops need no transform of their own.

    Args:
        crop_size: Height and width in pixels where the request has none.
        cat_max_ratio: A random crop is drawn again, up to 10 times, while one class covers at least
            this share of its labelled pixels. 1.0 takes the first.
        pad_val: Value of padded image pixels.
        ignore_index: Value of padded label pixels.

    Raises:
        ValueError: Neither the request nor the transform has a size.

    Example:
        >>> dict(type='PlannedCrop', crop_size=(512, 512), cat_max_ratio=0.75)
    """

    def __init__(self, crop_size: tuple[int, int] | None = None, cat_max_ratio: float = 1.0,
                 pad_val: float = 0, ignore_index: int = 255) -> None:
        if crop_size is not None and (len(crop_size) != 2 or min(crop_size) < 1):
            raise ValueError(f'crop_size={crop_size}: height and width above 0 are needed')
        self.crop_size = None if crop_size is None else tuple(crop_size)
        self.cat_max_ratio = cat_max_ratio
        self.pad_val = pad_val
        self.ignore_index = ignore_index

    def transform(self, results: dict) -> dict:
        """Pad, then crop ``img`` and all of ``seg_fields``."""
        size = results.get('crop_size') or self.crop_size
        if size is None:
            raise ValueError('PlannedCrop has no crop_size, and the request has none: set it here '
                             "or as the sampler's crop_size")
        results['img'] = _pad(results['img'], size, self.pad_val)
        for key in results.get('seg_fields', ()):
            results[key] = _pad(results[key], size, self.ignore_index)
        top, left = self._place(results, size)
        window = (slice(top, top + size[0]), slice(left, left + size[1]))
        results['img'] = results['img'][window]
        for key in results.get('seg_fields', ()):
            results[key] = results[key][window]
        results['img_shape'] = results['img'].shape[:2]
        return results

    def _place(self, results: dict, size: tuple[int, int]) -> tuple[int, int]:
        free = [results['img'].shape[i] - size[i] for i in range(2)]
        centre = results.get('centre')
        if centre is not None:
            centre = _in_transformed_image(centre, results)
            return tuple(int(np.clip(centre[i] - size[i] // 2, 0, free[i])) for i in range(2))
        for _ in range(10):
            top, left = (int(np.random.randint(0, margin + 1)) for margin in free)
            if self.cat_max_ratio >= 1.0 or 'gt_seg_map' not in results:
                break
            crop = results['gt_seg_map'][top:top + size[0], left:left + size[1]]
            counts = np.bincount(crop[crop != self.ignore_index].reshape(-1))
            if np.count_nonzero(counts) > 1 and counts.max() / counts.sum() < self.cat_max_ratio:
                break
        return top, left

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(crop_size={self.crop_size}, '
                f'cat_max_ratio={self.cat_max_ratio})')


def _pad(image: np.ndarray, size: tuple[int, int], value: float) -> np.ndarray:
    missing = [max(0, size[i] - image.shape[i]) for i in range(2)]
    if not any(missing):
        return image
    widths = [(0, missing[0]), (0, missing[1])] + [(0, 0)] * (image.ndim - 2)
    return np.pad(image, widths, constant_values=value)


def _in_transformed_image(centre: tuple[int, int], results: dict) -> tuple[int, int]:
    """Follow a point of the original image through scaling and flipping."""
    height, width = results['img_shape'][:2]
    # `scale_factor` is that of the last transform alone; there may be several.
    original = results.get('ori_shape') or (height, width)
    row = round(centre[0] * height / original[0])
    column = round(centre[1] * width / original[1])
    if results.get('flip'):
        if results.get('flip_direction') in ('horizontal', 'diagonal'):
            column = width - 1 - column
        if results.get('flip_direction') in ('vertical', 'diagonal'):
            row = height - 1 - row
    return row, column
