"""IoU for several datasets in one run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.dist import is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from PIL import Image

from ..label_spaces import LabelSpace, match_by_name
from ..registry import METRICS
from .iou import (
    ConfusionCounts,
    DatasetScores,
    count_pixels,
    format_tables,
    harmonic_mean,
    score_dataset,
)

_PER_CLASS = {'mIoU': ('iou', 'acc'), 'mDice': ('dice', 'acc'), 'mFscore': ('dice', 'precision')}


@METRICS.register_module()
class MultiDatasetIoUMetric(BaseMetric):
    """Mean IoU of each dataset, and means over the datasets.

    Samples are told apart by the ``dataset`` in their metainfo, so they may come in any order,
    batch size and from any worker. On one dataset whose classes all have ground truth the figures
    equal those of MMSegmentation's ``IoUMetric``. Classes without ground truth are left out and
    counted; there ``IoUMetric`` gives them an IoU of 0 as soon as a single pixel is predicted as
    such.

    Keys (percent): ``<dataset>/mIoU``, ``/mAcc``, ``/aAcc``; ``mean/...`` over the datasets;
    ``harmonic/mIoU``.

    Args:
        ignore_index: Label id that does not count.
        iou_metrics: Of ``mIoU``, ``mDice``, ``mFscore``.
        exclude: Classes left out of the means by dataset, ``{'ycor8': ['puddle']}``; the table
            still has them.
        frequent_share: Also give ``<dataset>/mIoU_frequent``, over the classes that have at least
            this share of the dataset's labelled pixels.
        classwise: Also give ``<dataset>/IoU.<class>``.
        out_file: JSON file for the whole result.
        output_dir: Folder for predictions, ``<dataset>/<name of the sample>.png``.
        format_only: Write predictions, compute nothing.
        collect_device: As in MMEngine.
        prefix: As in MMEngine.
        **kwargs: Ignored, as in ``IoUMetric``.

    Raises:
        ValueError: Unknown metric, dataset or class; an id out of range; shapes that differ.

    Example:
        >>> val_evaluator = dict(type='MultiDatasetIoUMetric', exclude=dict(ycor8=['puddle']))
    """

    def __init__(self, ignore_index: int = 255, iou_metrics: Sequence[str] = ('mIoU',),
                 exclude: Mapping[str, Sequence[str]] | None = None,
                 frequent_share: float | None = None, classwise: bool = False,
                 out_file: str | None = None, output_dir: str | None = None,
                 format_only: bool = False, collect_device: str = 'cpu',
                 prefix: str | None = None, **kwargs) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        iou_metrics = [iou_metrics] if isinstance(iou_metrics, str) else list(iou_metrics)
        unknown = [m for m in iou_metrics if m not in _PER_CLASS]
        if unknown:
            raise ValueError(f'iou_metrics has {unknown[0]!r}; allowed: {", ".join(_PER_CLASS)}')
        if format_only and not output_dir:
            raise ValueError('format_only needs output_dir')
        self.ignore_index = ignore_index
        self.iou_metrics = iou_metrics
        self.exclude = {k: list(v) for k, v in (exclude or {}).items()}
        self.frequent_share = frequent_share
        self.classwise = classwise
        self.out_file = out_file
        self.output_dir = output_dir
        self.format_only = format_only
        #: Scores of the last evaluation, by dataset.
        self.scores: dict[str, DatasetScores] = {}

    def _space(self, dataset: str) -> LabelSpace:
        datasets = (self.dataset_meta or {}).get('datasets', {})
        if dataset not in datasets:
            raise ValueError(f'a sample is of dataset {dataset!r}; the evaluated ones are '
                             f'{", ".join(datasets)}')
        return LabelSpace(dataset, datasets[dataset]['classes'])

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count the pixels of each sample; one small result per sample."""
        for sample in data_samples:
            dataset = sample['dataset']
            space = self._space(dataset)
            predicted = np.asarray(sample['pred_sem_seg']['data'].cpu()).squeeze(0)
            if self.output_dir:
                self._write(sample, predicted)
            if self.format_only:
                continue
            counts = count_pixels(
                predicted, np.asarray(sample['gt_sem_seg']['data'].cpu()).squeeze(0),
                space.num_classes, self.ignore_index, _translation(sample, space),
                name=f'{dataset}/{sample.get("sample_name", "?")}')
            self.results.append((dataset, *counts))

    def _write(self, sample: dict, predicted: np.ndarray) -> None:
        path = Path(self.output_dir) / sample['dataset'] / f'{sample["sample_name"]}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        if sample.get('reduce_zero_label') and 'label_space' not in sample:
            predicted = predicted + 1  # the ids that the dataset's own files have
        dtype = np.uint8 if predicted.max(initial=0) < 256 else np.uint16
        temporary = path.with_name(f'{path.name}.{os.getpid()}.tmp')
        Image.fromarray(predicted.astype(dtype)).save(temporary, format='PNG')
        os.replace(temporary, path)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Score each dataset, print the tables, write the file."""
        if self.format_only:
            print_log(f'predictions are in {self.output_dir}', logger='current')
            return {}
        by_dataset: dict[str, list] = {}
        for dataset, *counts in results:
            by_dataset.setdefault(dataset, []).append(ConfusionCounts(*counts))
        self._check_exclude()
        order = [d for d in self.dataset_meta['datasets'] if d in by_dataset]
        self.scores = {d: score_dataset(by_dataset[d], self._space(d).classes,
                                        self.exclude.get(d, ())) for d in order}
        print_log('\n' + format_tables(self.scores, self.frequent_share), logger='current')
        metrics = self._keys()
        if self.out_file and is_main_process():
            self._write_json(metrics)
        return metrics

    def _check_exclude(self) -> None:
        for dataset, classes in self.exclude.items():
            if dataset not in self.dataset_meta['datasets']:
                continue  # `tools/test.py --dataset` evaluates some of the datasets only
            for name in classes:
                self._space(dataset).index(name)

    def _keys(self) -> dict[str, float]:
        kinds = {'aAcc': lambda s: s.aacc}
        for metric in self.iou_metrics:
            kinds[metric] = lambda s, what=_PER_CLASS[metric][0]: s.mean(what)
            second = _PER_CLASS[metric][1]
            kinds['mAcc' if second == 'acc' else 'mPrecision'] = lambda s, w=second: s.mean(w)
            if metric == 'mFscore':
                kinds['mRecall'] = lambda s: s.mean('acc')
        if self.frequent_share is not None:
            kinds['mIoU_frequent'] = lambda s: s.mean('iou', self.frequent_share)
        metrics = {}
        for kind, value in kinds.items():
            values = [value(score) for score in self.scores.values()]
            for dataset, v in zip(self.scores, values):
                metrics[f'{dataset}/{kind}'] = round(100 * v, 2)
            metrics[f'mean/{kind}'] = round(100 * float(np.nanmean(values)), 2)
            if kind == 'mIoU':
                metrics[f'harmonic/{kind}'] = round(100 * harmonic_mean(values), 2)
        if self.classwise:
            for dataset, score in self.scores.items():
                metrics.update({f'{dataset}/IoU.{c}': round(100 * v, 2)
                                for c, v in zip(score.classes, score.iou)
                                if 'loss' not in c.lower()})
        return metrics

    def _write_json(self, metrics: dict) -> None:
        path = Path(self.out_file)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f'{path.name}.{os.getpid()}.tmp')
        temporary.write_text(json.dumps(
            {'metrics': metrics,
             'datasets': {d: score.to_dict() for d, score in self.scores.items()}}, indent=1))
        os.replace(temporary, path)


def _translation(sample: dict, space: LabelSpace) -> Sequence[int] | None:
    """Predicted id -> class of the dataset, for predictions in another label space."""
    if sample.get('pred_to_dataset') is not None:
        return sample['pred_to_dataset']
    if sample.get('pred_classes') is None:
        return None
    return match_by_name(LabelSpace(sample['label_space'], sample['pred_classes']), space)
