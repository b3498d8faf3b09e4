"""Transforms that MMSegmentation lacks."""

from .crop import PlannedCrop
from .loading import LoadLabelMap
from .scale import RandomScale
from .views import PretrainViews

__all__ = ['LoadLabelMap', 'PlannedCrop', 'PretrainViews', 'RandomScale']
