"""Losses."""

from .cross_entropy import UnifiedCrossEntropyLoss

__all__ = ['UnifiedCrossEntropyLoss']
