"""When predictions are drawn."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.visualization import Visualizer

from ...registry import HOOKS
from .images import image_of_sample, label_space_meta


@HOOKS.register_module()
class MultiDatasetVisualizationHook(Hook):
    """Draw predictions with ``MultiDatasetVisualizer``, one folder per dataset.

    Args:
        draw: Whether to draw at all; ``tools/test.py --show-dir`` sets it.
        interval: While validating, draw each ``interval``-th sample.
        show: Open a window instead of writing files.
        wait_time: Seconds that a window stays open.

    Example:
        >>> default_hooks = dict(visualization=dict(type='MultiDatasetVisualizationHook'))
    """

    def __init__(self, draw: bool = False, interval: int = 50, show: bool = False,
                 wait_time: float = 0.0) -> None:
        self.draw = draw
        self.interval = interval
        self.show = show
        self.wait_time = wait_time
        self._count = 0

    def before_val(self, runner) -> None:
        """Tell the visualiser the nodes' names."""
        if self.draw:
            Visualizer.get_current_instance().extra_meta = label_space_meta(runner.model)
            self._count = 0

    before_test = before_val

    def after_val_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Draw each ``interval``-th sample."""
        self._draw(runner, data_batch, outputs, 'val', self.interval, runner.iter)

    def after_test_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Draw every sample."""
        self._draw(runner, data_batch, outputs, 'test', 1, 0)

    def _draw(self, runner, data_batch, outputs, mode: str, interval: int, step: int) -> None:
        if not self.draw:
            return
        for position, sample in enumerate(outputs):
            self._count += 1
            if (self._count - 1) % interval:
                continue
            dataset = sample.metainfo.get('dataset', 'images')
            name = f'{mode}/{dataset}/{sample.metainfo.get("sample_name", self._count)}'
            Visualizer.get_current_instance().add_datasample(
                name, image_of_sample(data_batch, _position(data_batch, position), sample),
                data_sample=sample, show=self.show, wait_time=self.wait_time, step=step)


def _position(data_batch: dict, position: int) -> int:
    """Batches of test-time augmentation are lists of versions of one image each."""
    first = data_batch['inputs'][0]
    return 0 if isinstance(first, (list, tuple)) else position
