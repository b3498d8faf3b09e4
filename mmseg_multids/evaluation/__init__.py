"""Per-dataset and cross-dataset metrics."""

from .iou import ConfusionCounts, DatasetScores, count_pixels, score_dataset
from .multi_dataset_metric import MultiDatasetIoUMetric
from .tables import format_tables
from .wilddash_metric import WildDashMetric, count_pixels_with_void

__all__ = ['ConfusionCounts', 'DatasetScores', 'MultiDatasetIoUMetric', 'WildDashMetric',
           'count_pixels', 'count_pixels_with_void', 'format_tables', 'score_dataset']
