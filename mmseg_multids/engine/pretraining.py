"""Which parameters the optimiser of a pretraining gets (MDP)."""

from __future__ import annotations

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from ..models.pixel_encoder import MomentumEncoder
from ..registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class PretrainingOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """MMEngine's constructor, which does not look at a :class:`MomentumEncoder`.

    With ``paramwise_cfg`` MMEngine warns of each parameter that has no gradient. Those of a
    momentum encoder have none on purpose; warnings of others, such as frozen stages, stay. What the
    optimiser gets is the same, so that runs may be resumed with and without.

    Example:
        >>> optim_wrapper = dict(constructor='PretrainingOptimWrapperConstructor',
        ...                      paramwise_cfg=dict(norm_decay_mult=0.0), optimizer=...)
    """

    def add_params(self, params: list[dict], module: nn.Module, *args, **kwargs) -> None:
        """Add the parameters of a module and its children to the groups."""
        if not isinstance(module, MomentumEncoder):
            super().add_params(params, module, *args, **kwargs)
