"""What a run leaves behind for its user: one table, one picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.logging import print_log

from ...evaluation import MultiDatasetIoUMetric
from ...files import replacing
from ...registry import HOOKS
from ...visualization.grid import GridRow, draw_grid
from .images import image_of_sample


@HOOKS.register_module()
class SegmentationReportHook(Hook):
    """After training, write the last validation's table and a grid of predictions.

    The files are ``<work_dir>/report/report.txt``, ``scores.json`` (the table's figures) and
    ``grid.png``; the table and the paths are printed last.

    Args:
        images_per_dataset: Rows of the grid for each dataset.

    Example:
        >>> custom_hooks = [dict(type='SegmentationReportHook', images_per_dataset=2)]
    """

    priority = 'LOWEST'

    def __init__(self, images_per_dataset: int = 2) -> None:
        self.images_per_dataset = images_per_dataset

    @master_only
    def after_train(self, runner) -> None:
        """Write and print."""
        if runner.val_loop is None:
            return
        metric = next((m for m in runner.val_loop.evaluator.metrics
                       if isinstance(m, MultiDatasetIoUMetric)), None)
        folder = Path(runner.work_dir) / 'report'
        lines = []
        if metric is not None and metric.scores:
            table = metric.tables()
            _write(folder / 'report.txt', table + '\n')
            _write(folder / 'scores.json', json.dumps(
                {name: score.to_dict() for name, score in metric.scores.items()}, indent=1))
            lines += [table, f'table: {folder / "report.txt"}']
        grid = folder / 'grid.png'
        dataset = runner.val_dataloader.dataset
        draw_grid(self._rows(runner, dataset), dataset.spaces, grid)
        lines.append(f'picture: {grid}')
        print_log('\n'.join(['', *lines]), logger='current')

    def _rows(self, runner, dataset) -> dict:
        model = getattr(runner.model, 'module', runner.model)
        was_training = model.training
        model.eval()
        rows: dict = {}
        first = 0
        for name, size in dataset.sizes.items():
            # Evenly spread over the dataset, the same images in each run.
            count = min(self.images_per_dataset, size)
            picks = [first + int(i) for i in np.linspace(0, size - 1, count + 2)[1:-1]]
            rows[name] = [self._row(model, dataset, index) for index in picks]
            first += size
        model.train(was_training)
        return rows

    def _row(self, model, dataset, index: int) -> GridRow:
        batch = pseudo_collate([dataset[index]])
        with torch.no_grad():
            result = model.test_step(batch)[0]
        return GridRow(image=image_of_sample(batch, 0, result),
                       labels=result.gt_sem_seg.data[0].cpu().numpy(),
                       predicted=result.pred_sem_seg.data[0].cpu().numpy())


def _write(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write_text(text)
