"""Transforms that MMSegmentation lacks."""

from .colour import RandomColourJitter, RandomGaussianBlur
from .crop import PlannedCrop
from .loading import LoadLabelMap
from .scale import RandomScale
from .soft_labels import LoadSoftLabel, PackSoftSegInputs
from .views import PretrainViews

__all__ = ['LoadLabelMap', 'LoadSoftLabel', 'PackSoftSegInputs', 'PlannedCrop', 'PretrainViews',
           'RandomColourJitter', 'RandomGaussianBlur', 'RandomScale']
