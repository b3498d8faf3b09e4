"""Time of an iteration of AutoUniSeg's graph phase against a forward pass of the network.

The paper's seven datasets (449 classes, 217 nodes) with the network of a config, one image of each
dataset; both alternate in one process. A graph iteration runs the network without gradients, the
graph network and the losses forward and backward, and takes an optimiser's step. Printed: the
median ratio of the pairs and a bootstrap interval.

    python benchmarks/graph_phase.py --pairs 10
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from train_step import interval, make_batch

from mmseg_multids.label_spaces.merging import unify_by_merges
from mmseg_multids.models import MapperPhase

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / 'configs' / 'autouniseg' / 'autouniseg_hr48_7ds.py'


def build(cfg: Config, nodes: int) -> torch.nn.Module:
    """Build the config's model with classes merged at random to so many nodes."""
    model = copy.deepcopy(cfg.model)
    model.backbone.init_cfg = None
    model.data_preprocessor.pop('size', None)
    built = MODELS.build(model)
    spaces = list(built.label_space.spaces.values())
    sizes = [space.num_classes for space in spaces]
    rng = np.random.default_rng(0)
    starts = np.cumsum([0, *sizes])
    members: list[list[int]] = [[] for _ in range(nodes)]
    for start, size in zip(starts, sizes):
        for place, node in enumerate(rng.permutation(nodes)[:size]):
            members[node].append(int(start + place))
    built.decode_head.mapper.merge(unify_by_merges(spaces, [m for m in members if m]))
    return built


def enter(model: torch.nn.Module, phase: MapperPhase) -> None:
    """Train what a phase trains."""
    mapper = model.decode_head.mapper
    mapper.phase.fill_(int(phase))
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for parameter in mapper.parameters_of(phase):
        parameter.requires_grad_(True)
    model.eval()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', default=str(CONFIG))
    parser.add_argument('--pairs', type=int, default=10)
    parser.add_argument('--size', type=int, default=256)
    parser.add_argument('--nodes', type=int, default=217)
    args = parser.parse_args()
    init_default_scope('mmseg')
    model = build(Config.fromfile(args.config), args.nodes)
    batches = [make_batch(model, 1, args.size, d) for d in model.label_space.datasets]
    batch = {key: [one for b in batches for one in b[key]] for key in batches[0]}
    optim = OptimWrapper(torch.optim.AdamW(model.decode_head.mapper.parameters(), lr=1e-4))

    def timed(phase: MapperPhase) -> float:
        enter(model, phase)
        data = model.data_preprocessor(copy.deepcopy(batch), True)
        start = time.perf_counter()
        if phase == MapperPhase.GRAPH:
            losses, _ = model.parse_losses(model(**data, mode='loss'))
            optim.update_params(losses)
        else:
            with torch.no_grad():
                model(**data, mode='loss')
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter() - start

    if torch.cuda.is_available():
        model.cuda()
    times = np.array([[timed(phase) for phase in (MapperPhase.GRAPH, MapperPhase.SEGMENTATION)]
                      for _ in range(args.pairs + 1)])[1:]  # the first pair warms up
    ratios = times[:, 0] / times[:, 1]
    low, high = interval(ratios)
    print(f'graph iteration {np.median(times[:, 0]):.2f} s, forward pass '
          f'{np.median(times[:, 1]):.2f} s, ratio {np.median(ratios):.3f} ({low:.3f} to '
          f'{high:.3f}), {args.pairs} pairs')


if __name__ == '__main__':
    main()
