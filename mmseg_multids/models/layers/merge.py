"""Running statistics of several processes."""

from __future__ import annotations

import torch
from mmengine.dist import all_gather, get_world_size
from torch import nn

from .convert import dsbn_layers


class StatisticsMerger:
    """Averages the running statistics of dataset-specific batch norms over processes.

    Each process normalises by its own part of the batch and so has running statistics of its own;
    rank 0's are saved. A dataset's statistics are weighted by how many of its batches each process
    saw since the last call; processes that saw none take the others'.

    Args:
        model: The model; its :class:`DSBN` layers with ``sync=False`` are merged.
    """

    def __init__(self, model: nn.Module) -> None:
        self._layers = [layer for layer in dsbn_layers(model).values()
                        if layer.context is not None and layer.track_running_stats
                        and not layer.sync]
        self.restart()

    def restart(self) -> None:
        """Count batches from now on; needed where the layers were given other statistics."""
        self._counted = [layer.num_batches_tracked.clone() for layer in self._layers]

    @torch.no_grad()
    def merge(self) -> None:
        """Merge in place; one collective. Call it on every process."""
        if not self._layers or get_world_size() == 1:
            return
        flat, seen = [], []
        for layer, before in zip(self._layers, self._counted):
            count = (layer.num_batches_tracked - before).to(layer.running_mean.dtype)
            seen.append(count)
            flat += [count.flatten(), layer.running_mean.flatten(), layer.running_var.flatten()]
        sizes = [len(part) for part in flat]
        parts = iter(torch.stack(all_gather(torch.cat(flat))).split(sizes, dim=1))
        for i, layer in enumerate(self._layers):
            shape = layer.running_mean.shape  # [S, C], or [C] where statistics are shared
            weights = next(parts).view(-1, *shape[:-1], 1)  # [world, S, 1]
            total = weights.sum(dim=0)
            for running in (layer.running_mean, layer.running_var):
                values = next(parts).view(-1, *shape)
                mean = (values * weights).sum(dim=0) / total.clamp(min=1)
                running.copy_(torch.where(total > 0, mean, running))
            counted = self._counted[i] + weights.amax(dim=0).squeeze(-1).to(torch.long)
            layer.num_batches_tracked.copy_(counted)
            self._counted[i] = counted.clone()
