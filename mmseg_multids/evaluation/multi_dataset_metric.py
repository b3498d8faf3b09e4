"""IoU for several datasets in one run."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from mmengine.dist import is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from ..files import path_of_sample, replacing, write_ids
from ..label_spaces import LabelSpace, match_by_name
from ..registry import METRICS
from .iou import (
    ConfusionCounts,
    DatasetScores,
    arithmetic_mean,
    count_pixels,
    harmonic_mean,
    score_dataset,
    without_nan,
)
from .tables import PER_CLASS, format_tables, per_class_columns


@METRICS.register_module()
class MultiDatasetIoUMetric(BaseMetric):
    """Mean IoU of each dataset, and means over the datasets.

    Samples are told apart by the ``dataset`` in their metainfo, so they may come in any order,
    batch size and from any worker. On one dataset whose classes all have ground truth the figures
    equal those of MMSegmentation's ``IoUMetric``. Classes without ground truth are left out and
    counted; there ``IoUMetric`` gives them an IoU of 0 as soon as a single pixel is predicted as
    such. (Beyond 2^24 pixels ``IoUMetric`` adds up rounded counts; here they are exact.)

    Keys (percent): ``<dataset>/mIoU``, ``/mAcc``, ``/aAcc``; ``mean/...`` over the datasets;
    ``harmonic/mIoU``. A dataset without a class that counts is NaN and part of no mean.

    Args:
        ignore_index: Label id that does not count.
        iou_metrics: Of ``mIoU``, ``mDice``, ``mFscore``.
        exclude: Classes left out of the means over classes by dataset, ``{'ycor8': ['puddle']}``;
            the table still has them. Datasets that are not evaluated are warned of and skipped, so
            that one config serves to test some of its datasets.
        frequent_share: Also give ``<dataset>/mIoU_frequent`` and ``mean/mIoU_frequent``, over the
            classes that have more than this share of the dataset's labelled pixels.
        classwise: Also give ``<dataset>/IoU.<class>``; for a class whose name contains ``loss``,
            which MMEngine would add up, ``<dataset>/IoU.<id>``. Classes without IoU have no key.
        out_file: JSON file for the whole result.
        output_dir: Folder for predictions, ``<dataset>/<name of the sample>.png``: the ids of the
            dataset's own files, or of the label space that was predicted; 16 bits per pixel where
            that has more than 256 ids.
        format_only: Write predictions, compute nothing.
        collect_device: As in MMEngine.
        prefix: As in MMEngine.
        keep_results: No effect; MMSegmentation's ``tools/test.py --out`` sets it.

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
                 prefix: str | None = None, keep_results: bool = False) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        iou_metrics = [iou_metrics] if isinstance(iou_metrics, str) else list(iou_metrics)
        unknown = [m for m in iou_metrics if m not in PER_CLASS]
        if unknown:
            raise ValueError(f'iou_metrics has {unknown[0]!r}; allowed: {", ".join(PER_CLASS)}')
        for dataset, classes in (exclude or {}).items():
            if isinstance(classes, str):
                raise ValueError(f'exclude of {dataset!r} is the text {classes!r}; a list of class '
                                 'names is needed')
        if frequent_share is not None and not 0 <= frequent_share < 1:
            raise ValueError(f'frequent_share is {frequent_share}; a share of the pixels from 0 to '
                             '1 is needed')
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
        #: Those of them that the model was not trained on.
        self.unseen: list[str] = []

    @property
    def _datasets(self) -> dict[str, dict]:
        return (self.dataset_meta or {}).get('datasets', {})

    def _classes(self, sample: dict) -> list[str]:
        dataset = sample.get('dataset')
        if dataset is None:
            raise ValueError('a sample has no `dataset` in its metainfo: load the data through '
                             "dict(type='MultiDataset', ...), which stamps it")
        if dataset not in self._datasets:
            raise ValueError(f'a sample is of dataset {dataset!r}; the evaluated ones are '
                             f'{", ".join(self._datasets)}')
        return list(self._datasets[dataset]['classes'])

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count the pixels of each sample; one small result per sample."""
        for sample in data_samples:
            classes = self._classes(sample)
            name = f'{sample["dataset"]}/{sample.get("sample_name", "?")}'
            predicted = _as_image(sample['pred_sem_seg'])
            if self.output_dir:
                self._write(sample, predicted, classes)
            if self.format_only:
                continue
            if 'gt_sem_seg' not in sample:
                raise ValueError(f'{name}: no ground truth to compare with; format_only=True with '
                                 'output_dir writes predictions alone')
            counts = self._count(sample, predicted, _as_image(sample['gt_sem_seg']), len(classes),
                                 self.ignore_index, _translation(sample, classes), name)
            # One per sample: MMEngine drops what distributed samplers add by counting results.
            self.results.append((sample['dataset'], bool(sample.get('unseen', False)), *counts))

    def _count(self, sample: dict, *args) -> Sequence:
        """Return what is kept of a sample; ``args`` are those of :func:`count_pixels`."""
        return count_pixels(*args)

    def _write(self, sample: dict, predicted: np.ndarray, classes: Sequence[str]) -> None:
        path = path_of_sample(self.output_dir, sample['dataset'], sample.get('sample_name'))
        num_ids = len(classes)
        if 'label_space' in sample:
            num_ids = len(sample.get('pred_classes') or sample.get('pred_to_dataset') or classes)
        elif sample.get('reduce_zero_label'):
            predicted, num_ids = predicted.astype(np.int64) + 1, num_ids + 1  # the files' own ids
        write_ids(path, predicted, num_ids)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Score each dataset, print the tables, write the file."""
        if self.format_only:
            print_log(f'predictions are in {self.output_dir}', logger='current')
            return {}
        by_dataset: dict[str, list] = {}
        for dataset, _, *counts in results:
            by_dataset.setdefault(dataset, []).append(ConfusionCounts(*counts))
        self._check_exclude()
        missing = [d for d in self._datasets if d not in by_dataset]
        if missing:
            print_log(f'no samples of {", ".join(missing)}: part of no mean', logger='current',
                      level=logging.WARNING)
        self.scores = {d: score_dataset(by_dataset[d], meta['classes'], self.exclude.get(d, ()))
                       for d, meta in self._datasets.items() if d in by_dataset}
        unseen = {dataset for dataset, is_unseen, *_ in results if is_unseen}
        self.unseen = [d for d in self.scores if d in unseen]
        print_log('\n' + self.tables(), logger='current')
        metrics = self._keys()
        if self.out_file and is_main_process():
            self._write_json(metrics)
        return metrics

    def tables(self) -> str:
        """Write the scores of the last evaluation as text."""
        return format_tables(self.scores, self.frequent_share, self.iou_metrics, self.unseen)

    def _check_exclude(self) -> None:
        for dataset, names in self.exclude.items():
            if dataset not in self._datasets:  # `tools/test.py --dataset` evaluates some only
                print_log(f'exclude names the dataset {dataset!r}, which is not evaluated; the '
                          f'evaluated ones are {", ".join(self._datasets)}', logger='current',
                          level=logging.WARNING)
                continue
            for name in names:
                LabelSpace(dataset, self._datasets[dataset]['classes']).index(name)

    def _keys(self) -> dict[str, float]:
        kinds = {'aAcc': [s.aacc for s in self.scores.values()]}
        for title, what in per_class_columns(self.iou_metrics).items():
            kinds[f'm{title}'] = [s.mean(what) for s in self.scores.values()]
        if self.frequent_share is not None:
            kinds['mIoU_frequent'] = [s.mean('iou', self.frequent_share)
                                      for s in self.scores.values()]
        metrics = {}
        for kind, values in kinds.items():
            metrics.update({f'{d}/{kind}': _percent(v) for d, v in zip(self.scores, values)})
            metrics[f'mean/{kind}'] = _percent(arithmetic_mean(values))
            if kind == 'mIoU':
                metrics[f'harmonic/{kind}'] = _percent(harmonic_mean(values))
            if 0 < len(self.unseen) < len(values):
                for group, of_group in (('seen', False), ('unseen', True)):
                    metrics[f'{group}/{kind}'] = _percent(arithmetic_mean(
                        [v for d, v in zip(self.scores, values)
                         if (d in self.unseen) == of_group]))
        if self.classwise:
            for dataset, score in self.scores.items():
                for i, (name, value) in enumerate(zip(score.classes, score.iou)):
                    if score.notes[i] in ('', 'left out'):
                        key = i if 'loss' in name.lower() else name
                        metrics[f'{dataset}/IoU.{key}'] = _percent(value)
        return metrics

    def _write_json(self, metrics: dict) -> None:
        with replacing(self.out_file) as file:
            file.write_text(json.dumps(
                {'metrics': without_nan(metrics),
                 'datasets': {d: score.to_dict() for d, score in self.scores.items()}},
                indent=1, allow_nan=False))


def _percent(value: float) -> float:
    """Round as ``IoUMetric`` does, in float32."""
    return round(float(np.round(np.float32(value) * 100, 2)), 2)


def _as_image(pixel_data: Mapping) -> np.ndarray:
    """Return ids of shape [H, W], whatever device they are on."""
    data = pixel_data['data']
    data = data.cpu().numpy() if hasattr(data, 'cpu') else np.asarray(data)
    return data.reshape(data.shape[-2:])


def _translation(sample: dict, classes: Sequence[str]) -> Sequence[int] | None:
    """Predicted id -> class of the dataset, for predictions in another label space."""
    if sample.get('pred_to_dataset') is not None:
        return sample['pred_to_dataset']
    if sample.get('pred_classes') is None:
        return None
    return _matched(sample['label_space'], tuple(sample['pred_classes']), sample['dataset'],
                    tuple(classes))


@lru_cache(maxsize=64)
def _matched(label_space: str, pred_classes: tuple, dataset: str, classes: tuple) -> np.ndarray:
    found = match_by_name(LabelSpace(label_space, pred_classes), LabelSpace(dataset, classes))
    if (np.asarray(found) < 0).all():
        raise ValueError(
            f'no class of {dataset} ({", ".join(classes[:5])}, ...) has the name of a class of '
            f'{label_space!r} ({", ".join(pred_classes[:5])}, ...): nothing can be compared. '
            'Choose another label space (tools/test.py --label-space)')
    return found
