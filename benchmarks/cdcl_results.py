"""The ablation of CDCL (Tables 2 to 4 of the paper) on small data: trains, then prints Markdown.

Every row is a config of ``configs/cdcl``, run with several seeds. Finished runs are kept in
``--out`` and not repeated, so an interrupted call goes on.

    python benchmarks/cdcl_results.py --set toyworld3 --out work_dirs/cdcl_results
    python benchmarks/cdcl_results.py --set realbench3 --out work_dirs/cdcl_results
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmseg_multids.evaluation import DatasetScores

ROOT = Path(__file__).parent.parent
DATASETS = {'realbench3': ('camvid11', 'ycor8', 'labelmefacade8'),
            'toyworld3': ('city', 'asia', 'atlas')}


class Run(NamedTuple):
    """One training run, but for its seed."""

    config: str
    steps: int
    interval: int = 1

    def folder(self, seed: int) -> str:
        """Where its results lie."""
        return f'{self.config}/steps{self.steps}_t{self.interval}/seed{seed}'


class Row(NamedTuple):
    """A row of a table: one run, or one for each dataset."""

    name: str
    runs: tuple[Run, ...]
    images: str


def tables(which: str, steps: int) -> dict[str, list[Row]]:
    """Return the tables' rows. ``steps``: batches of each dataset."""
    names = DATASETS[which]
    count = len(names)

    def row(name: str, variant: str, taken: int, images: float, interval: int = 1) -> Row:
        run = Run(f'cdcl_{which}{variant}', taken, interval)
        return Row(name, (run,), f'{images * 8:.0f}')

    single = Row('single dataset, BN',
                 tuple(Run(f'single_{name}_{which}', steps) for name in names), f'{steps * 8}')
    third = steps / count
    # The interval's first dataset has t batches per cycle, all others one.
    intervals = [Row(f't = {t}', (Run(f'cdcl_{which}', steps, t),),
                     f'{t * steps * 8}, others {steps * 8}') for t in (1, 2, 3)]
    return {
        'The same images of each dataset': [
            single,
            row('shared BN', '_bn', steps * count, steps),
            row('shared BN, mixed batches', '_bn_mixed', steps, steps),
            row('shared BN + DAT', '_bn_dat', steps, steps),
            row('DSBN', '_dsbn', steps * count, steps),
            row('DSBN + DAT (CDCL)', '', steps, steps)],
        'The same number of optimiser steps': [
            single,
            row('shared BN', '_bn', steps, third),
            row('shared BN + DAT', '_bn_dat', steps, steps),
            row('DSBN', '_dsbn', steps, third),
            row('DSBN + DAT (CDCL)', '', steps, steps)],
        f'Interval t of DSBN + DAT: t batches of `{names[0]}` and one of each other per step':
            intervals}


def train(run: Run, seed: int, out: Path) -> None:
    """Train in a process of its own, on one thread, unless it was done before."""
    folder = out / run.folder(seed)
    if (folder / 'report' / 'scores.json').is_file():
        return
    options = [f'train_cfg.max_iters={run.steps}', f'train_cfg.val_interval={run.steps}',
               f'default_hooks.checkpoint.interval={run.steps}',
               'default_hooks.checkpoint.max_keep_ckpts=1', 'train_dataloader.num_workers=0',
               'train_dataloader.persistent_workers=False']
    if run.interval != 1:
        options.append(f'train_dataloader.sampler.plan.interval={run.interval}')
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'MKL_NUM_THREADS': '1',
                   'PYTHONPATH': str(ROOT)}
    with open(folder / 'log.txt', 'w') as log:
        subprocess.run([sys.executable, str(ROOT / 'tools' / 'train.py'),
                        str(ROOT / 'configs' / 'cdcl' / f'{run.config}.py'), '--seed', str(seed),
                        '--work-dir', str(folder), '--cfg-options', *options],
                       stdout=log, stderr=subprocess.STDOUT, env=environment, check=True)


def scores(row: Row, seed: int, out: Path, names: Sequence[str]) -> list[float]:
    """Return mIoU in percent of each dataset, then their mean."""
    found: dict[str, float] = {}
    for run in row.runs:
        with open(out / run.folder(seed) / 'report' / 'scores.json') as file:
            found.update({name: 100 * DatasetScores.from_dict(score).mean()
                          for name, score in json.load(file).items()})
    values = [found[name] for name in names]
    return [*values, float(np.mean(values))]


def markdown(title: str, rows: Sequence[Row], seeds: Sequence[int], out: Path,
             names: Sequence[str]) -> str:
    """Return one table: mean and standard deviation over the seeds."""
    lines = [f'### {title}', '',
             '| | steps | images of each dataset | ' + ' | '.join(names) + ' | mean |',
             '|---' * (len(names) + 4) + '|']
    for row in rows:
        table = np.array([scores(row, seed, out, names) for seed in seeds])
        deviation = table.std(axis=0, ddof=1) if len(seeds) > 1 else np.zeros(table.shape[1])
        cells = [f'{m:.1f} ± {d:.1f}' for m, d in zip(table.mean(axis=0), deviation)]
        lines.append(f'| {row.name} | {row.runs[0].steps} | {row.images} | '
                     + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def main() -> None:
    """Train what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--set', choices=tuple(DATASETS), required=True)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/cdcl_results'))
    parser.add_argument('--steps', type=int, default=150, help='batches of each dataset')
    parser.add_argument('--seeds', type=int, nargs='+', default=(0, 1, 2))
    parser.add_argument('--jobs', type=int, default=os.cpu_count(), help='runs at a time')
    args = parser.parse_args()
    found = tables(args.set, args.steps)
    runs = {(run, seed): None for seed in args.seeds for rows in found.values() for row in rows
            for run in row.runs}
    with ThreadPoolExecutor(args.jobs) as pool:
        done = pool.map(lambda item: train(*item, args.out), runs)
        for i, _ in enumerate(done, 1):
            print(f'{i} of {len(runs)} runs', file=sys.stderr, flush=True)
    for title, rows in found.items():
        print(markdown(title, rows, args.seeds, args.out, DATASETS[args.set]), end='\n\n')


if __name__ == '__main__':
    main()
