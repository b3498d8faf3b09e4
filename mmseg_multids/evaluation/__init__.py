"""Per-dataset and cross-dataset metrics."""

from .iou import ConfusionCounts, DatasetScores, count_pixels, score_dataset
from .multi_dataset_metric import MultiDatasetIoUMetric
from .tables import format_tables

__all__ = ['ConfusionCounts', 'DatasetScores', 'MultiDatasetIoUMetric', 'count_pixels',
           'format_tables', 'score_dataset']
