"""The papers' equations as pure torch functions: no registry, config, runner or file."""

from .class_similarity import add_class_similarities
from .mining import hard_pixels
from .multi_label import THRESHOLDS, MultiLabelMaps, multi_label_maps
from .pixel_losses import (
    SupervisionTable,
    partial_label_bce,
    pixel_cross_entropy,
    supervision_table,
)
from .readout import labels_to_nodes, pixel_accuracy, sum_node_logits

__all__ = [
    'THRESHOLDS',
    'MultiLabelMaps',
    'SupervisionTable',
    'add_class_similarities',
    'hard_pixels',
    'labels_to_nodes',
    'multi_label_maps',
    'partial_label_bce',
    'pixel_accuracy',
    'pixel_cross_entropy',
    'sum_node_logits',
    'supervision_table',
]
