"""Losses."""

from .pixel_loss import PixelLoss
from .pixel_losses import ClassRelationalBCELoss, NullBCELoss, PixelCrossEntropyLoss

__all__ = ['ClassRelationalBCELoss', 'NullBCELoss', 'PixelCrossEntropyLoss', 'PixelLoss']
