"""When things happen: loops, hooks, and which parameters an optimiser gets."""

from .hooks import MultiDatasetVisualizationHook, SegmentationReportHook
from .loops import MultiDatasetTrainLoop
from .pretraining import PretrainingOptimWrapperConstructor

__all__ = ['MultiDatasetTrainLoop', 'MultiDatasetVisualizationHook',
           'PretrainingOptimWrapperConstructor', 'SegmentationReportHook']
