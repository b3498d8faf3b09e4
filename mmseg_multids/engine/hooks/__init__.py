"""Hooks decide when something happens; what happens is elsewhere."""

from .report_hook import SegmentationReportHook
from .visualization_hook import MultiDatasetVisualizationHook

__all__ = ['MultiDatasetVisualizationHook', 'SegmentationReportHook']
