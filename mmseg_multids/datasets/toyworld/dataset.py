"""ToyWorld as an MMSegmentation dataset that needs no files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.datasets import BaseSegDataset

from ...registry import DATASETS, TRANSFORMS
from ..transforms.loading import id_table
from .leaves import PALETTE
from .render import SPLITS, is_negative, render_scene
from .views import IGNORE_INDEX, leaf_to_class, view_named


@DATASETS.register_module()
class ToyWorldDataset(BaseSegDataset):
    """A procedural world with known leaves, seen through one taxonomy and one domain.

    Every sample is a pure function of (view, split, seed, index), drawn when it is asked for; a
    dataset of any size takes no memory. Where a view has scenes that are no street (``wild``), the
    samples say so: ``negative``.

    Args:
        view: ``city``, ``metro``, ``asia``, ``atlas``, ``village``, ``wild`` or ``room``.
        split: ``train``, ``val`` or ``test``; they share no scene.
        size: Number of images.
        image_size: Height and width in pixels.
        seed: Seed of the world.
        taxonomy: Label the view's scenes with the classes of this view. Default: its own. One
            taxonomy in several domains tells the domains' effect from that of the labels.
        indices: As in MMEngine: the first n images, or a list of positions.
        metainfo: As in ``BaseSegDataset``. Its ``classes`` may be a part of the taxonomy's, in any
            order; the others are not labelled then.
        **kwargs: As in ``BaseSegDataset``.

    Raises:
        ValueError: Unknown view, split or class, a size below 1, an image without pixels, or an
            argument that only makes sense for files with label maps.

    Example:
        >>> toyworld_city = dict(name='city', type='ToyWorldDataset', view='city', splits=dict(
        ...     train=dict(split='train', size=4000), val=dict(split='val', size=100)))
    """

    def __init__(self, view: str, split: str = 'train', size: int = 1000,
                 image_size: tuple[int, int] = (128, 128), seed: int = 0,
                 taxonomy: str | None = None, indices: int | Sequence[int] | None = None,
                 metainfo: dict | None = None, lazy_init: bool = False, **kwargs) -> None:
        view_named(view)
        if split not in SPLITS:
            raise ValueError(f'ToyWorld has no split {split!r}; known: {", ".join(SPLITS)}')
        if size < 1:
            raise ValueError(f'size={size}: at least one image is needed')
        if len(image_size) != 2 or min(image_size) < 1:
            raise ValueError(f'image_size={image_size}: a height and a width of at least 1 pixel '
                             'are needed')
        if kwargs.get('reduce_zero_label') or kwargs.get('ignore_index', 255) != IGNORE_INDEX:
            raise ValueError('ToyWorld draws its own labels: reduce_zero_label must be False and '
                             f'ignore_index {IGNORE_INDEX}')
        self.view, self.split, self.seed = view, split, seed
        self.image_size = tuple(image_size)
        self._positions = None if indices is None or isinstance(indices, int) else list(indices)
        if isinstance(indices, int):
            size = min(size, indices)
        self._size = size if self._positions is None else len(self._positions)
        own = self.metainfo_from_cfg({'view': view, 'taxonomy': taxonomy})
        metainfo = {**own, **(metainfo or {})}
        self._class_of_leaf = _labelled(leaf_to_class(taxonomy or view), own['classes'],
                                        metainfo['classes'], view)
        if metainfo['palette'] is own['palette']:  # a part of the classes takes its colours along
            colours = dict(zip(own['classes'], own['palette']))
            metainfo['palette'] = [colours[name] for name in metainfo['classes']]
        super().__init__(metainfo=metainfo, data_prefix={'img_path': f'toyworld/{view}/{split}'},
                         lazy_init=True, **kwargs)
        if not lazy_init:
            self.full_init()

    @classmethod
    def metainfo_from_cfg(cls, cfg: dict) -> dict:
        """Return classes and palette of the view, or taxonomy, that a config names."""
        classes = view_named(cfg.get('taxonomy') or cfg.get('view')).classes
        # A class has the colour of its first leaf, so that all views are painted alike.
        return {'classes': tuple(classes),
                'palette': [list(PALETTE[leaves[0]]) for leaves in classes.values()]}

    def full_init(self) -> None:
        """Do nothing: there is no list of images."""
        self._fully_initialized = True

    def get_subset_(self, indices: int | Sequence[int]) -> None:
        """Keep the first ``indices`` images (the last ones, if negative), or those of a list."""
        kept = range(len(self))
        if isinstance(indices, int):
            kept = kept[:indices] if indices >= 0 else kept[indices:]
        else:
            kept = indices
        self._positions = [self._number(i) for i in kept]
        self._size = len(self._positions)

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
        scene = self.view, self.split, self.seed, number
        info = {'img_path': f'toyworld/{self.view}/{self.split}/{number:06d}.png',
                'toyworld': (*scene, self.image_size),
                'class_of_leaf': self._class_of_leaf, 'label_map': self.label_map,
                'reduce_zero_label': False, 'seg_fields': [], 'sample_idx': index}
        if view_named(self.view).domain.negatives:
            info['negative'] = is_negative(*scene)
        return info

    def leaf_map(self, index: int) -> np.ndarray:
        """Return the true leaf of each pixel. Shape [H, W], uint8; ids as in ``LEAVES``."""
        return render_scene(self.view, self.split, self.seed, self._number(index),
                            self.image_size)[1]


def _labelled(table: np.ndarray, classes: Sequence[str], wanted: Sequence[str],
              view: str) -> np.ndarray:
    """Return the class of each leaf where only the ``wanted`` classes are labelled."""
    unknown = [name for name in wanted if name not in classes]
    if unknown:
        raise ValueError(f'ToyWorld view {view!r} has no class {unknown[0]!r}; known: '
                         f'{", ".join(classes)}')
    new_id = np.full(256, IGNORE_INDEX, dtype=np.uint8)
    for i, name in enumerate(wanted):
        new_id[classes.index(name)] = i
    return new_id[table]


@TRANSFORMS.register_module()
class RenderToyWorld(BaseTransform):
    """Draw a ToyWorld scene and its label map; takes the place of the loading transforms.

    Added keys: ``img`` (uint8 BGR [H, W, 3]), ``gt_seg_map`` (uint8 [H, W], 255 not labelled),
    ``img_shape``, ``ori_shape``, ``seg_fields``. Honours the dataset's ``label_map``.

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
        if 'toyworld' not in results:
            raise ValueError(
                'RenderToyWorld draws scenes of ToyWorldDataset, this is an image of another '
                "dataset. Give that dataset's entry a pipeline of its own, or write ToyWorld to "
                'files with tools/make_toyworld.py')
        image, leaves = render_scene(*results['toyworld'])
        if 'image' in self.parts:
            results['img'] = image
            results['img_shape'] = results['ori_shape'] = image.shape[:2]
        if 'labels' in self.parts:
            class_of_leaf = results['class_of_leaf']
            table = id_table(False, results.get('label_map'))
            if table is not None:
                class_of_leaf = table[class_of_leaf]
            results['gt_seg_map'] = class_of_leaf[leaves]
            results.setdefault('seg_fields', []).append('gt_seg_map')
        return results
