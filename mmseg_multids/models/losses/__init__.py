"""Losses."""

from .pixel_loss import PixelLoss
from .pixel_losses import NullBCELoss, PixelCrossEntropyLoss

__all__ = ['NullBCELoss', 'PixelCrossEntropyLoss', 'PixelLoss']
