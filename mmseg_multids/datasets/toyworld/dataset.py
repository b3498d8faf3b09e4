"""ToyWorld as an MMSegmentation dataset that needs no files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.datasets import BaseSegDataset

from ...registry import DATASETS, TRANSFORMS
from .render import LOOK, SPLITS, render_scene
from .views import leaf_to_class, view_named


@DATASETS.register_module()
class ToyWorldDataset(BaseSegDataset):
    """A procedural world with known leaves, seen through one taxonomy and one domain.

    Every sample is a pure function of (view, split, seed, index), drawn when it is asked for; a
    dataset of any size takes no memory.

    Args:
        view: ``city``, ``metro``, ``asia``, ``atlas``, ``village``, ``wild`` or ``room``.
        split: ``train``, ``val`` or ``test``; they share no scene.
        size: Number of images.
        image_size: Height and width in pixels.
        seed: Seed of the world.
        indices: As in MMEngine: the first n images, or a list of positions.
        **kwargs: As in ``BaseSegDataset``.

    Raises:
        ValueError: Unknown view or split, or a size below 1.

    Example:
        >>> toyworld_city = dict(name='city', type='ToyWorldDataset', view='city', splits=dict(
        ...     train=dict(split='train', size=4000), val=dict(split='val', size=100)))
    """

    def __init__(self, view: str, split: str = 'train', size: int = 1000,
                 image_size: tuple[int, int] = (128, 128), seed: int = 0,
                 indices: int | Sequence[int] | None = None, lazy_init: bool = False,
                 **kwargs) -> None:
        if split not in SPLITS:
            raise ValueError(f'ToyWorld has no split {split!r}; known: {", ".join(SPLITS)}')
        if size < 1:
            raise ValueError(f'size={size}: at least one image is needed')
        self.view, self.split, self.seed = view, split, seed
        self.image_size = tuple(image_size)
        self._positions = None if indices is None or isinstance(indices, int) else list(indices)
        if isinstance(indices, int):
            size = min(size, indices)
        self._size = size if self._positions is None else len(self._positions)
        self._class_of_leaf = leaf_to_class(view).astype(np.uint8)
        metainfo = {**self.metainfo_from_cfg({'view': view}),
                    **(kwargs.pop('metainfo', None) or {})}
        super().__init__(metainfo=metainfo, data_prefix={'img_path': f'toyworld/{view}/{split}'},
                         lazy_init=True, **kwargs)
        if not lazy_init:
            self.full_init()

    @classmethod
    def metainfo_from_cfg(cls, cfg: dict) -> dict:
        """Return classes and palette of the view that a config names."""
        classes = view_named(cfg.get('view')).classes
        # A class has the colour that its first leaf has in the plainest view, so all views are
        # painted alike.
        return {'classes': tuple(classes),
                'palette': [list(LOOK[leaves[0]][0]) for leaves in classes.values()]}

    def full_init(self) -> None:
        """Do nothing: there is no list of images."""
        self._fully_initialized = True

    def __len__(self) -> int:
        return self._size

    def _number(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f'index {index} is out of range for {len(self)} images')
        index %= len(self)
        return index if self._positions is None else self._positions[index]

    def get_data_info(self, index: int) -> dict:
        """Return what :class:`RenderToyWorld` needs."""
        number = self._number(index)
        return {'img_path': f'toyworld/{self.view}/{self.split}/{number:06d}.png',
                'toyworld': (self.view, self.split, self.seed, number, self.image_size),
                'class_of_leaf': self._class_of_leaf, 'label_map': self.label_map,
                'reduce_zero_label': False, 'seg_fields': [], 'sample_idx': index}

    def leaf_map(self, index: int) -> np.ndarray:
        """Return the true leaf of each pixel. Shape [H, W], uint8; ids as in ``LEAVES``."""
        return render_scene(self.view, self.split, self.seed, self._number(index),
                            self.image_size)[1]


@TRANSFORMS.register_module()
class RenderToyWorld(BaseTransform):
    """Draw a ToyWorld scene and its label map; takes the place of the loading transforms.

    Added keys: ``img`` (uint8 BGR [H, W, 3]), ``gt_seg_map`` (uint8 [H, W], 255 not labelled),
    ``img_shape``, ``ori_shape``, ``seg_fields``.

    Args:
        parts: ``'image'``, ``'labels'`` or both. Test-time augmentation draws the labels after the
            image was resized and flipped, as predictions come back in the original geometry.

    Raises:
        ValueError: Another part.

    Example:
        >>> pipeline = [dict(type='RenderToyWorld'), dict(type='RandomFlip', prob=0.5),
        ...             dict(type='PackSegInputs')]
    """

    def __init__(self, parts: Sequence[str] = ('image', 'labels')) -> None:
        wrong = [part for part in parts if part not in ('image', 'labels')]
        if wrong:
            raise ValueError(f"parts has {wrong[0]!r}; allowed are 'image' and 'labels'")
        self.parts = tuple(parts)

    def transform(self, results: dict) -> dict:
        """Draw."""
        image, leaves = render_scene(*results['toyworld'])
        if 'image' in self.parts:
            results['img'] = image
            results['img_shape'] = results['ori_shape'] = image.shape[:2]
        if 'labels' in self.parts:
            results['gt_seg_map'] = results['class_of_leaf'][leaves]
            results.setdefault('seg_fields', []).append('gt_seg_map')
        return results
