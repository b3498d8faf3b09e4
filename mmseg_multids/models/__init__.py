"""How a batch becomes losses or predictions."""

from .classifiers import LinearNodeClassifier
from .context import UNIFIED, DatasetContext
from .heads import UniSegHead
from .losses import UnifiedCrossEntropyLoss
from .segmentors import MultiDatasetSegmentor, MultiDatasetTTAModel

__all__ = [
    'UNIFIED',
    'DatasetContext',
    'LinearNodeClassifier',
    'MultiDatasetSegmentor',
    'MultiDatasetTTAModel',
    'UniSegHead',
    'UnifiedCrossEntropyLoss',
]
