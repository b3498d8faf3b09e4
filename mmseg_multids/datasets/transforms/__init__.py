"""Transforms that MMSegmentation lacks."""

from .crop import PlannedCrop
from .loading import LoadLabelMap
from .scale import RandomScale

__all__ = ['LoadLabelMap', 'PlannedCrop', 'RandomScale']
