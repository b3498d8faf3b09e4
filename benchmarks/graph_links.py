"""What a long graph phase of AutoUniSeg does to links, on four ToyWorld views; prints Markdown.

Heads are trained once; then each variant trains a graph phase alone. A *pair* is a node and a
dataset that no class of the node came from; it is *possible* where the dataset has a class that
shares a leaf with the node's, and *right* where the strongest link goes to such a class. The last
columns say where links of pairs went: Spearman's rank correlation, over all classes, of what a
class won of them with how hard the class is (1 - IoU of its own head on training images), with its
share of pixels, and with the number of pairs that it is a right class for.

    python benchmarks/graph_links.py --out work_dirs/graph_links
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from runs import ROOT, plain_dumps
from scipy.stats import spearmanr

from mmseg_multids.apis.cross_heads import gather_confusions
from mmseg_multids.apis.whole_images import training_images
from mmseg_multids.datasets.toyworld import leaves_of_class

CONFIG = ROOT / 'configs' / 'autouniseg' / 'autouniseg_toyworld4.py'
#: First links and factor of the learning rate of each variant.
VARIANTS = (('affinity', 1.0), ('affinity', 20.0), ('merges', 1.0), ('merges', 20.0))


class PairProbe(Hook):
    """Reads the links of pairs off the graph network as it trains."""

    def __init__(self, marks: list[int], hardness: np.ndarray, pixels: np.ndarray) -> None:
        self.marks, self.hardness, self.pixels = marks, hardness, pixels
        self.right: list[int] = []
        self.possible = self.pairs = 0
        self.correlations: dict[str, float] = {}
        self._before: np.ndarray | None = None

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Look before the first iteration; the phase has begun by then."""
        if batch_idx == 0:
            self._look(runner.model.decode_head.mapper)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Look at the marks."""
        if batch_idx + 1 in self.marks:
            self._look(runner.model.decode_head.mapper)

    @torch.no_grad()
    def _look(self, mapper) -> None:
        nodes = mapper.nodes
        links = mapper.graph(nodes)[1].cpu().numpy()  # [N, C]
        class_of_node = mapper.class_of_node[:, nodes].cpu().numpy()  # [S, N]
        leaves = [[leaves_of_class(space.name)[c] for c in space.classes]
                  for space in mapper.spaces]
        starts = np.cumsum([0, *mapper.sizes])
        right = possible = pairs = 0
        won, due = np.zeros(links.shape[1]), np.zeros(links.shape[1])
        for s in range(len(mapper.spaces)):
            columns = slice(starts[s], starts[s + 1])
            for node in (class_of_node[s] < 0).nonzero()[0]:
                pairs += 1
                won[columns] += links[node, columns]
                own = set().union(*(leaves[t][c] for t, c in enumerate(class_of_node[:, node])
                                    if c >= 0))
                fits = np.array([bool(one & own) for one in leaves[s]])
                due[columns] += fits
                possible += fits.any()
                right += fits[links[node, columns].argmax()]
        self.right.append(int(right))
        self.pairs, self.possible = pairs, int(possible)
        if self._before is None:
            self._before = won
            return
        change = won - self._before
        self.correlations = {name: float(spearmanr(change, values)[0]) for name, values in
                             (('hardness', self.hardness), ('pixels', self.pixels),
                              ('right pairs', due))}


def config(folder: Path, seed: int, phases: list[dict], size: int, **hook: object) -> Config:
    """Return the shipped config with other phases, small images and nothing but training."""
    cfg = Config.fromfile(CONFIG)
    entries = [*cfg.model.datasets, *cfg.train_dataloader.dataset.datasets,
               *cfg.val_dataloader.dataset.datasets]
    for entry in entries:
        entry['image_size'] = (size, size)
    cfg.train_dataloader.sampler['crop_size'] = (size, size)
    cfg.custom_hooks = [h for h in cfg.custom_hooks if h.type == 'TrainingPhases']
    cfg.custom_hooks[0].update(phases=phases, **hook)
    cfg.merge_from_dict({
        'work_dir': str(folder), 'experiment_name': folder.name, 'log_level': 'ERROR',
        'randomness.seed': seed, 'train_cfg.max_iters': sum(p['iters'] for p in phases),
        'train_cfg.val_begin': 10 ** 9, 'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False, 'val_dataloader.num_workers': 0,
        'default_hooks.checkpoint.interval': 10 ** 9, 'default_hooks.checkpoint.save_last': False})
    return cfg


def run_seed(seed: int, args: argparse.Namespace) -> dict[tuple[str, float], PairProbe]:
    """Train the heads of a seed, and every variant from them."""
    folder = args.out / f'seed{seed}'
    with plain_dumps():
        runner = Runner.from_cfg(config(folder / 'heads', seed,
                                        [{'kind': 'heads', 'iters': args.heads}], args.size))
        runner.train()
    weights = folder / 'heads.pth'
    torch.save({'state_dict': runner.model.state_dict()}, weights)
    counts = gather_confusions(runner.model, training_images(runner.cfg), max_images=100)
    own = [counts[name][name] for name in runner.model.label_space.datasets]
    hardness = np.concatenate([1 - np.diag(c) / np.maximum(
        c.sum(axis=0) + c.sum(axis=1) - np.diag(c), 1) for c in own])
    pixels = np.concatenate([c.sum(axis=1) / c.sum() for c in own])
    probes = {}
    for first, factor in VARIANTS:
        print(f'seed {seed}: {first}, learning rate x {factor:g}', file=sys.stderr, flush=True)
        cfg = config(folder / f'{first}_{factor:g}', seed, [
            {'kind': 'graph', 'iters': args.marks[-1], 'lr_mult': factor},
            {'kind': 'final', 'iters': 1}], args.size, first_links=first)
        cfg.load_from = str(weights)
        with plain_dumps():
            runner = Runner.from_cfg(cfg)
            probe = probes[first, factor] = PairProbe(args.marks, hardness, pixels)
            runner.register_hook(probe, 'LOWEST')
            runner.train()
    return probes


def report(found: list[dict[tuple[str, float], PairProbe]], marks: list[int]) -> str:
    """Return a table with one column for each mark; means over seeds."""
    head = ['first links', 'learning rate', 'pairs', 'possible',
            *(f'right after {m}' for m in (0, *marks)), 'won, hard', 'won, frequent', 'won, right']
    lines = ['| ' + ' | '.join(head) + ' |', '|---' * len(head) + '|']
    for first, factor in VARIANTS:
        probes = [one[first, factor] for one in found]
        counts = [np.mean([getattr(p, name) for p in probes]) for name in ('pairs', 'possible')]
        right = np.mean([p.right for p in probes], axis=0)
        links = [_spread([p.correlations[name] for p in probes])
                 for name in ('hardness', 'pixels', 'right pairs')]
        lines.append(f'| {first} | x {factor:g} | ' + ' | '.join(
            [f'{value:.0f}' for value in (*counts, *right)] + links) + ' |')
    return '\n'.join(lines)


def _spread(values: list[float]) -> str:
    return f'{np.mean(values):+.2f} ± {np.std(values, ddof=min(1, len(values) - 1)):.2f}'


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', type=Path, default=Path('work_dirs/graph_links'))
    parser.add_argument('--heads', type=int, default=1200, help='iterations of heads')
    parser.add_argument('--marks', type=int, nargs='+', default=[50, 100, 200],
                        help='iterations of the graph phase to look at')
    parser.add_argument('--size', type=int, default=96)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    args = parser.parse_args()
    torch.set_num_threads(1)
    init_default_scope('mmseg')
    print(report([run_seed(seed, args) for seed in args.seeds], args.marks))


if __name__ == '__main__':
    main()
