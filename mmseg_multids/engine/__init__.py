"""When things happen: loops and hooks."""

from .hooks import MultiDatasetVisualizationHook, SegmentationReportHook
from .loops import MultiDatasetTrainLoop

__all__ = ['MultiDatasetTrainLoop', 'MultiDatasetVisualizationHook', 'SegmentationReportHook']
