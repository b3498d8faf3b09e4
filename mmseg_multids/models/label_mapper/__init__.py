"""A unified label space that a graph network learns (AutoUniSeg)."""

from .mapper import GNNLabelMapper, MapperPhase, on_rank_0

__all__ = ['GNNLabelMapper', 'MapperPhase', 'on_rank_0']
