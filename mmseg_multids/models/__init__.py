"""How a batch becomes losses or predictions."""

from .backbones import WideResNet38
from .classifiers import (
    CosineNodeClassifier,
    LinearNodeClassifier,
    StagedNodeClassifier,
    classifier_in_use,
)
from .context import UNIFIED, DatasetContext
from .contrast import PrototypeContrast
from .heads import UniSegHead
from .label_mapper import GNNLabelMapper, MapperPhase
from .layers import DSBN, collapse_dsbn, convert_to_dsbn
from .losses import ClassRelationalBCELoss, NullBCELoss, PixelCrossEntropyLoss
from .pretrainer import MultiDatasetPretrainer
from .prototypes import BankStatistics, PrototypeBank
from .segmentors import (
    MultiDatasetSegmentor,
    MultiDatasetTTAModel,
    MultiLabelPrediction,
)

__all__ = [
    'BankStatistics',
    'ClassRelationalBCELoss',
    'CosineNodeClassifier',
    'DSBN',
    'UNIFIED',
    'DatasetContext',
    'GNNLabelMapper',
    'LinearNodeClassifier',
    'MapperPhase',
    'MultiDatasetPretrainer',
    'MultiDatasetSegmentor',
    'MultiDatasetTTAModel',
    'MultiLabelPrediction',
    'NullBCELoss',
    'PixelCrossEntropyLoss',
    'PrototypeBank',
    'PrototypeContrast',
    'StagedNodeClassifier',
    'UniSegHead',
    'WideResNet38',
    'classifier_in_use',
    'collapse_dsbn',
    'convert_to_dsbn',
]
