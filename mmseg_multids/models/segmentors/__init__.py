"""Segmentors."""

from .multi_dataset import MultiDatasetSegmentor
from .multi_label import MultiLabelPrediction, read_multi_label
from .tta import MultiDatasetTTAModel

__all__ = ['MultiDatasetSegmentor', 'MultiDatasetTTAModel', 'MultiLabelPrediction',
           'read_multi_label']
