"""Segmentors."""

from .multi_dataset import MultiDatasetSegmentor
from .tta import MultiDatasetTTAModel

__all__ = ['MultiDatasetSegmentor', 'MultiDatasetTTAModel']
