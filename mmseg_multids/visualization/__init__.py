"""Pictures and reports."""

from .grid import colour_labels, draw_grid
from .multi_label import draw_multi_label
from .visualizer import MultiDatasetVisualizer

__all__ = ['MultiDatasetVisualizer', 'colour_labels', 'draw_grid',
           'draw_multi_label']
