"""Drawing samples in the colours of their own label space."""

from __future__ import annotations

from pathlib import Path

from mmengine.visualization import LocalVisBackend
from mmseg.visualization import SegLocalVisualizer

from ..registry import VISUALIZERS


@VISUALIZERS.register_module()
class MultiDatasetVisualizer(SegLocalVisualizer):
    """MMSegmentation's visualiser with a class list per sample.

    The stock one knows one class list and silently drops ids beyond it. This one takes the classes
    of the sample's ``label_space`` or ``dataset``; ground truth is in the dataset's own classes.

    Example:
        >>> visualizer = dict(type='MultiDatasetVisualizer', name='visualizer',
        ...                   vis_backends=[dict(type='LocalVisBackend')])
    """

    #: Classes and palette by name beside those of ``dataset_meta['datasets']``, such as the nodes'.
    extra_meta: dict = {}

    def add_datasample(self, name: str, image, data_sample=None, draw_gt: bool = True,
                       draw_pred: bool = True, **kwargs) -> None:
        """Draw a sample; arguments as in MMSegmentation.

        Raises:
            ValueError: The sample's dataset is not known.
        """
        saved = self.dataset_meta
        try:
            if data_sample is not None:
                dataset = data_sample.metainfo.get('dataset')
                target = data_sample.metainfo.get('label_space', dataset)
                if target != dataset:
                    draw_gt = False  # stitched to a prediction in other classes it would mislead
                if target is not None:
                    self.dataset_meta = self._meta_of(target)
            super().add_datasample(name, image, data_sample, draw_gt=draw_gt, draw_pred=draw_pred,
                                   **kwargs)
        finally:
            self.dataset_meta = saved

    def add_image(self, name: str, image, step: int = 0) -> None:
        """Record an image; folders in its name, which MMEngine does not make, are made."""
        for backend in self._vis_backends.values():
            if isinstance(backend, LocalVisBackend):
                folder = Path(backend.experiment._img_save_dir) / name
                folder.parent.mkdir(parents=True, exist_ok=True)
        super().add_image(name, image, step)

    def _meta_of(self, name: str) -> dict:
        known = {**(self.dataset_meta or {}).get('datasets', {}), **self.extra_meta}
        if name not in known:
            raise ValueError(f'cannot draw label space {name!r}; known: {", ".join(known)}')
        return known[name]
