"""The label maps of one dataset, without their images."""

from __future__ import annotations

import numpy as np

from .multi_dataset import MultiDataset


class LabelMaps:
    """The label maps of one dataset of a :class:`MultiDataset`, as training reads them.

    What its pipeline loads is taken, with ``reduce_zero_label``, ``label_map`` and ``remap``, and
    what comes after the loading is left out. The image is not loaded where its label map does not
    need it, which the first one read tells. Stands as a dataset for a loader.

    Args:
        images: The datasets.
        dataset: Name of the one.

    Raises:
        ValueError: Unknown dataset, or one without labels.
    """

    def __init__(self, images: MultiDataset, dataset: str) -> None:
        labelled = [name for name in images.names if name not in images.unlabelled]
        if dataset not in labelled:
            what = 'has no labels' if dataset in images.names else 'is unknown'
            raise ValueError(f'dataset {dataset!r} {what}; with labels there are: '
                             f'{", ".join(labelled)}')
        self.dataset = dataset
        self._images = images
        self._start = sum(images.sizes[name] for name in images.names[:images.names.index(dataset)])
        self._loading: list | None = None

    def __len__(self) -> int:
        return self._images.sizes[self.dataset]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self._images.spaces[self.dataset].classes)

    @property
    def ignore_index(self) -> int:
        """Id of pixels that are not labelled."""
        return getattr(self._images.datasets[self.dataset], 'ignore_index', 255)

    def name(self, index: int) -> str:
        """Return what the image is called: its path below the folder of images, no suffix."""
        return self._images.sample_name(self.dataset, index, self._info(index))

    def __getitem__(self, index: int) -> np.ndarray:
        """Return a label map. [H, W].

        Raises:
            ValueError: It cannot be read, or holds an id that the dataset does not have; dataset
                and file are named.
        """
        if not 0 <= index < len(self):
            raise IndexError(f'index {index} is out of range for {len(self)} images')
        info = self._info(index)
        path = info.get('seg_map_path')
        try:
            if self._loading is None:
                self._loading = self._find_loading(index)
            labels = _run(self._loading, info)
        except Exception as error:
            raise ValueError(f'dataset {self.dataset}, image {index}: label map {path} could not '
                             f'be read: {type(error).__name__}: {error}') from error
        if labels is None:
            raise ValueError(f'dataset {self.dataset}: its pipeline loads no label map '
                             '(`gt_seg_map`); it needs LoadLabelMap, or RenderToyWorld')
        self._images.check_labels(labels, self.dataset, info)
        return labels

    def _info(self, index: int) -> dict:
        return self._images.get_data_info(self._start + index)

    def _find_loading(self, index: int) -> list:
        """Return the transforms that make a label map, as few as do for this one."""
        transforms = list(self._images.datasets[self.dataset].pipeline.transforms)
        results = self._info(index)
        for count, transform in enumerate(transforms, 1):
            results = transform(results)
            if results is None:
                break
            if 'gt_seg_map' in results:
                try:
                    alone = _run([transform], self._info(index))
                except Exception:  # whatever it is: it needs what those before it make
                    alone = None
                same = alone is not None and np.array_equal(alone, results['gt_seg_map'])
                return [transform] if same else transforms[:count]
        return transforms


def _run(transforms: list, results: dict) -> np.ndarray | None:
    for transform in transforms:
        results = transform(results)
        if results is None or 'gt_seg_map' in results:
            break
    return None if results is None else results.get('gt_seg_map')
