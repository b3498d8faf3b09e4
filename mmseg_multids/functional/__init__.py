"""The papers' equations as pure torch functions: no registry, config, runner or file."""

from .class_similarity import add_class_similarities
from .confusion import add_confusions
from .label_graph import (
    ORTHOGONALITY,
    class_weights_of_nodes,
    link_weight,
    node_adjacency,
    orthogonality_loss,
)
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
    'ORTHOGONALITY',
    'THRESHOLDS',
    'MultiLabelMaps',
    'SupervisionTable',
    'add_class_similarities',
    'add_confusions',
    'class_weights_of_nodes',
    'hard_pixels',
    'labels_to_nodes',
    'link_weight',
    'multi_label_maps',
    'node_adjacency',
    'orthogonality_loss',
    'partial_label_bce',
    'pixel_accuracy',
    'pixel_cross_entropy',
    'sum_node_logits',
    'supervision_table',
]
