"""Decode heads."""

from .uniseg_head import UniSegHead

__all__ = ['UniSegHead']
