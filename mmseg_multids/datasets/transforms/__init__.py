"""Transforms that MMSegmentation lacks."""

from .colour import RandomColourJitter, RandomGaussianBlur
from .crop import PlannedCrop
from .loading import LoadLabelMap
from .scale import RandomScale
from .views import PretrainViews

__all__ = ['LoadLabelMap', 'PlannedCrop', 'PretrainViews', 'RandomColourJitter',
           'RandomGaussianBlur', 'RandomScale']
