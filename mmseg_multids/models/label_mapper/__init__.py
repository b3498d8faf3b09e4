"""A unified label space that a graph network learns (AutoUniSeg)."""

from .mapper import GNNLabelMapper, MapperPhase

__all__ = ['GNNLabelMapper', 'MapperPhase']
