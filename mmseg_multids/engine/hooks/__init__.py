"""Hooks decide when something happens; what happens is elsewhere."""

from .class_relations_hook import ClassRelationsHook
from .multi_label_hook import MultiLabelHook
from .prototype_contrast_hook import PrototypeContrastHook
from .report_hook import SegmentationReportHook
from .training_phases import TrainingPhases
from .unseen_datasets_hook import UnseenDatasetsHook
from .visualization_hook import MultiDatasetVisualizationHook

__all__ = ['ClassRelationsHook', 'MultiDatasetVisualizationHook', 'MultiLabelHook',
           'PrototypeContrastHook', 'SegmentationReportHook', 'TrainingPhases',
           'UnseenDatasetsHook']
