"""Pictures and reports."""

from .grid import colour_labels, draw_grid
from .visualizer import MultiDatasetVisualizer

__all__ = ['MultiDatasetVisualizer', 'colour_labels', 'draw_grid']
