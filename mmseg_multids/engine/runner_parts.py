"""What hooks need of a runner."""

from __future__ import annotations

import torch
from mmengine.dist import broadcast
from mmengine.optim import OptimWrapperDict
from torch import nn


def plain_model(runner) -> nn.Module:
    """Return the model itself, without what distributed training wraps it in."""
    return getattr(runner.model, 'module', runner.model)


def optimizers_of(runner) -> list[torch.optim.Optimizer]:
    """Return the optimiser, or all of several."""
    wrapper = runner.optim_wrapper
    parts = wrapper.values() if isinstance(wrapper, OptimWrapperDict) else (wrapper,)
    return [part.optimizer for part in parts]


def share_buffers(model: nn.Module) -> None:
    """Give every process rank 0's buffers; running statistics are each process's own."""
    for value in model.buffers():
        broadcast(value)
