"""Time and memory of DSBN: a ResNet-18 forward and backward, against the layers one would use.

Compared in one process, alternating: ordinary batch norm; DSBN with one dataset per batch; DSBN
with three datasets in a batch; and a layer that users would write by hand, a ``ModuleList`` of
batch norms. Printed: median ratios of the pairs to batch norm and bootstrap intervals, and memory
that a step allocates.

    python benchmarks/dsbn.py --pairs 200
"""

from __future__ import annotations

import argparse
import copy
import time

import numpy as np
import torch
from mmseg.models.backbones import ResNet
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmseg_multids.models import DatasetContext, convert_to_dsbn

NAMES = ('one', 'two', 'three')


class ByHand(nn.Module):
    """A batch norm per dataset, chosen by the names of the samples."""

    def __init__(self, norm: _BatchNorm, context: DatasetContext) -> None:
        super().__init__()
        self.norms = nn.ModuleList(copy.deepcopy(norm) for _ in NAMES)
        self.names = context

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise sample group by sample group."""
        which = torch.tensor([NAMES.index(name) for name in self.names.names])
        if len(which.unique()) == 1:
            return self.norms[int(which[0])](x)
        out = torch.empty_like(x)
        for i in which.unique().tolist():
            out[which == i] = self.norms[i](x[which == i])
        return out


def by_hand(model: nn.Module, context: DatasetContext) -> nn.Module:
    """Replace each batch norm."""
    for name, module in list(model.named_modules()):
        if isinstance(module, _BatchNorm):
            parent, _, key = name.rpartition('.')
            setattr(model.get_submodule(parent), key, ByHand(module, context))
    return model


def step(model: nn.Module, images: torch.Tensor) -> None:
    """Forward and backward."""
    sum(feature.mean() for feature in model(images)).backward()
    model.zero_grad(set_to_none=True)


def allocated(run, device: str) -> int:
    """Return the bytes that a step holds at its peak (GPU), or allocates in all (CPU)."""
    if device != 'cpu':
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        run()
        return torch.cuda.max_memory_allocated()
    with torch.profiler.profile(profile_memory=True, record_shapes=False) as profile:
        run()
    held = peak = 0
    for event in sorted((e for e in profile.profiler.kineto_results.events()
                         if e.name() == '[memory]'), key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--pairs', type=int, default=200)
    parser.add_argument('--shape', type=int, nargs=3, default=(4, 256, 256),
                        metavar=('B', 'H', 'W'))
    args = parser.parse_args()
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    torch.manual_seed(0)
    plain = ResNet(18, norm_eval=False)
    plain.train()
    context = DatasetContext(NAMES)
    ours, hand = copy.deepcopy(plain), by_hand(copy.deepcopy(plain), context)
    convert_to_dsbn(ours, context)
    size, height, width = args.shape
    images = torch.randn(size, 3, height, width, device=device)
    one = ['two'] * size
    several = [NAMES[i * len(NAMES) // size] for i in range(size)]
    ways = {'BN': (plain, one), 'DSBN, one dataset': (ours, one),
            'DSBN, three datasets': (ours, several), 'by hand, one dataset': (hand, one),
            'by hand, three datasets': (hand, several)}
    for model, _ in ways.values():
        model.to(device)

    def timed(name: str) -> float:
        model, names = ways[name]
        start = time.perf_counter()
        with context.batch(names):
            step(model, images)
        if device != 'cpu':
            torch.cuda.synchronize()
        return time.perf_counter() - start

    seconds: dict[str, list[float]] = {name: [] for name in ways}
    order = list(ways)
    for pair in range(args.pairs + 3):
        for name in order[pair % len(order):] + order[:pair % len(order)]:
            taken = timed(name)
            if pair >= 3:
                seconds[name].append(taken)
    rng = np.random.default_rng(0)
    base = np.array(seconds['BN'])

    def memory(name: str) -> int:
        return allocated(lambda: timed(name), device)

    base_memory = memory('BN')
    print(f'{args.pairs} pairs of {size}x{height}x{width} on {device}, '
          f'{torch.get_num_threads()} threads; BN: {np.median(base) * 1e3:.0f} ms, '
          f'{base_memory / 2 ** 20:.0f} MiB at the peak')
    for name in list(ways)[1:]:
        ratios = np.array(seconds[name]) / base
        medians = np.median(rng.choice(ratios, (2000, len(ratios))), axis=1)
        low, high = np.percentile(medians, [2.5, 97.5])
        print(f'{name:24s} time {np.median(ratios):.4f} (95 % interval {low:.4f} to {high:.4f}), '
              f'memory {memory(name) / base_memory:.4f}')


if __name__ == '__main__':
    main()
