"""Scores with negative images and void predictions, as the WildDash benchmark's."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence

import numpy as np
from mmengine.logging import print_log
from prettytable import PrettyTable

from ..files import replacing
from ..registry import METRICS
from .iou import (
    ConfusionCounts,
    DatasetScores,
    arithmetic_mean,
    count_pixels,
    score_dataset,
    without_nan,
)
from .multi_dataset_metric import MultiDatasetIoUMetric, _percent

#: The label space of predictions of all nodes.
_UNIFIED = 'unified'


def count_pixels_with_void(predicted: np.ndarray, labels: np.ndarray, num_classes: int,
                           ignore_index: int = 255, pred_to_dataset: Sequence[int] | None = None,
                           name: str = 'sample', *, negative: bool) -> ConfusionCounts:
    """Count the pixels of one image, where predictions of no class are void.

    Void on a labelled pixel is wrong in an ordinary image: a pixel of its class is missed. In a
    negative image it is accepted as well as the label: the pixel counts as if its class had been
    predicted. The prediction of another class is wrong in both.

    Args:
        predicted: Predicted ids. Shape [H, W].
        labels: Ids of the dataset's classes. Shape [H, W].
        num_classes: Number of the dataset's classes K.
        ignore_index: Label id that does not count.
        pred_to_dataset: The dataset's class of each id that can be predicted, -1 for void. Labelled
            pixels of classes that no id stands for do not count. Default: the ids are classes.
        name: Named in errors.
        negative: Whether the image is a negative one.

    Raises:
        ValueError: As :func:`count_pixels`.
    """
    counts = count_pixels(predicted, labels, num_classes, ignore_index, pred_to_dataset, name)
    if not negative or pred_to_dataset is None:
        return counts
    table = np.asarray(pred_to_dataset, dtype=np.int64)  # [P]
    valid = labels != ignore_index
    void = labels[valid][table[predicted[valid]] < 0]
    accepted = np.bincount(void, minlength=num_classes)
    accepted[~np.isin(np.arange(num_classes), table)] = 0
    return counts._replace(intersect=counts.intersect + accepted,
                           predicted=counts.predicted + accepted)


@METRICS.register_module()
class WildDashMetric(MultiDatasetIoUMetric):
    """Mean IoU with negative images, as on the WildDash benchmark (UniSeg, section 4.3, Table 4).

    A model predicts the best of all its nodes (``test_cfg.label_space='unified'``); nodes that
    stand for no class of the dataset are void. Images are positive, or negative, such as no street
    at all, where their metainfo says ``negative`` (see ``MultiDataset``). The rules, after Zendel
    et al., "WildDash - Creating hazard-aware benchmarks", 2018, and the benchmark's description at
    wilddash.cc:

    - void on a labelled pixel is wrong in positive images; in negative ones it is accepted as well
      as the label (:func:`count_pixels_with_void`); unlabelled pixels do not count in either;
    - class mIoU: over the positive images; negative mIoU: over the negative ones;
    - meta average: the IoU of each class over the pixels of all images, positive and negative, then
      the mean over the classes. It is no mean of the other two.

    The benchmark's server has labels of its own, so figures here are comparable with each other,
    not with its tables.

    Keys (percent): those of :class:`MultiDatasetIoUMetric`, for the positive images;
    ``<dataset>/negative_mIoU``, ``<dataset>/meta_avg``, and ``mean/...`` of both over the datasets.
    In each mean the classes count that have ground truth in its images.

    Args:
        require_unified: Refuse predictions in other label spaces, in which nothing, or not all that
            is foreign, would be void. ``False`` scores them as they are.
        **kwargs: Arguments of :class:`MultiDatasetIoUMetric`. ``out_file`` holds, beside the
            positive images' scores in ``datasets``, those of the others in ``negative`` and
            ``all``.

    Raises:
        ValueError: As :class:`MultiDatasetIoUMetric`; a prediction in another label space.

    Example:
        >>> model = dict(test_cfg=dict(label_space='unified'))
        >>> test_evaluator = dict(type='WildDashMetric')
    """

    def __init__(self, require_unified: bool = True, **kwargs) -> None:
        super().__init__(**kwargs)
        self.require_unified = require_unified
        #: Scores of the negative images and of all images, by dataset.
        self.negative_scores: dict[str, DatasetScores] = {}
        self.all_scores: dict[str, DatasetScores] = {}

    def _count(self, sample: dict, *args) -> Sequence:
        if self.require_unified and sample.get('label_space') != _UNIFIED:
            raise ValueError(
                f'{sample["dataset"]}/{sample.get("sample_name", "?")} was predicted in the '
                f'classes of {sample.get("label_space", sample["dataset"])}; WildDashMetric needs '
                f'predictions of all nodes: tools/test.py --label-space {_UNIFIED}, or '
                f"model.test_cfg['label_space']='{_UNIFIED}'. To score them as they are: "
                'require_unified=False')
        negative = bool(sample.get('negative', False))
        return *count_pixels_with_void(*args, negative=negative), negative

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Score the positive, the negative and all images; print the tables, write the file."""
        by_dataset: dict[str, list] = {}
        for dataset, _, *counts, negative in results:
            by_dataset.setdefault(dataset, []).append((ConfusionCounts(*counts), negative))
        self.negative_scores, self.all_scores = {}, {}
        for dataset in (d for d in self._datasets if d in by_dataset):
            found = by_dataset[dataset]
            of_which = [counts for counts, negative in found if negative]
            options = self._datasets[dataset]['classes'], self.exclude.get(dataset, ())
            self.negative_scores[dataset] = score_dataset(of_which, *options)
            self.all_scores[dataset] = score_dataset([counts for counts, _ in found], *options)
            for count, kind in ((len(of_which), 'negative'),
                                (len(found) - len(of_which), 'positive')):
                if not count:
                    print_log(f'{dataset} has no {kind} images: its mIoU of them is not defined. '
                              'Negative ones are listed by `negatives` in the dataset\'s entry',
                              logger='current', level=logging.WARNING)
        return super().compute_metrics(
            [counts for *counts, negative in results if not negative])

    def tables(self) -> str:
        """Write the scores of the last evaluation as text."""
        blocks = [format_wilddash(name, self.scores.get(name), self.negative_scores[name], score)
                  for name, score in self.all_scores.items()]
        return '\n\n'.join(['Positive images', super().tables(), *blocks])

    def _keys(self) -> dict[str, float]:
        metrics = super()._keys()
        for kind, scores in (('negative_mIoU', self.negative_scores), ('meta_avg',
                                                                       self.all_scores)):
            values = [score.mean() for score in scores.values()]
            metrics.update({f'{d}/{kind}': _percent(v) for d, v in zip(scores, values)})
            metrics[f'mean/{kind}'] = _percent(arithmetic_mean(values))
        return metrics

    def _write_json(self, metrics: dict) -> None:
        parts = {'datasets': self.scores, 'negative': self.negative_scores, 'all': self.all_scores}
        with replacing(self.out_file) as file:
            file.write_text(json.dumps(
                {'metrics': without_nan(metrics),
                 **{key: {d: score.to_dict() for d, score in scores.items()}
                    for key, scores in parts.items()}}, indent=1, allow_nan=False))


def format_wilddash(name: str, positive: DatasetScores | None, negative: DatasetScores,
                    every: DatasetScores) -> str:
    """Write the IoU of each class in the positive, the negative and all images, in percent."""
    parts: Mapping[str, DatasetScores | None] = {
        'positive': positive, 'negative': negative, 'all': every}
    table = PrettyTable(['class', *(f'{title} IoU' for title in parts), 'pixels %',
                         'of which negative %'])
    table.align = 'r'
    table.align['class'] = 'l'
    for i, class_name in enumerate(every.classes):
        cells = [_cell(score.iou[i] if score is not None and score.notes[i] in ('', 'left out')
                       else np.nan) for score in parts.values()]
        own = every.labelled[i]
        table.add_row([class_name, *cells, _cell(every.share[i]),
                       _cell(negative.labelled[i] / own if own else np.nan)])
    means = [np.nan if score is None else score.mean() for score in parts.values()]
    total = sum(every.labelled)
    table.add_row(['mean', *map(_cell, means), _cell(1.0 if total else np.nan),
                   _cell(sum(negative.labelled) / total if total else np.nan)])
    images = 0 if positive is None else positive.images
    return (f'{name}: {images} positive and {negative.images} negative images; class mIoU '
            f'{_cell(means[0])}, negative mIoU {_cell(means[1])}, meta average '
            f'{_cell(means[2])}\n{table.get_string()}')


def _cell(share: float) -> str:
    return '-' if np.isnan(share) else f'{100 * share:.2f}'
