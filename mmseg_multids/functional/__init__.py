"""The papers' equations as pure torch functions: no registry, config, runner or file."""

from .readout import labels_to_nodes, pixel_accuracy, sum_node_logits

__all__ = ['labels_to_nodes', 'pixel_accuracy', 'sum_node_logits']
