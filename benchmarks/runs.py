"""What benchmarks that train many small networks share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from mmengine.config import Config

ROOT = Path(__file__).parent.parent


@contextmanager
def plain_dumps() -> Iterator[None]:
    """Keep MMEngine from laying out the config as code, which takes up to 15 s of each run."""
    pretty = Config.pretty_text
    Config.pretty_text = property(lambda cfg: json.dumps(cfg.to_dict(), default=str))
    try:
        yield
    finally:
        Config.pretty_text = pretty


def quiet(cfg: Config, folder: Path, seed: int, iters: int) -> Config:
    """Nothing but training for some iterations; images are read in this process."""
    cfg.custom_hooks = []
    # Warm-up must end before the run does.
    cfg.param_scheduler[0].end = cfg.param_scheduler[1].begin = max(1, min(50, iters // 4))
    cfg.merge_from_dict({
        'work_dir': str(folder), 'experiment_name': f'{folder.name}_{time.time_ns()}',
        'log_level': 'WARNING', 'randomness': {'seed': seed}, 'train_cfg.max_iters': iters,
        'train_cfg.val_begin': 10 ** 9, 'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False, 'val_dataloader.num_workers': 0,
        'test_dataloader.num_workers': 0, 'default_hooks.checkpoint.interval': 10 ** 9})
    return cfg


def launch(script: str, run: Sequence, folder: Path, options: Sequence[str]) -> None:
    """Do a run (``script --one RUN``) in a process of its own, on one thread.

    Nothing is done where the folder has its ``scores.json``.
    """
    if (folder / 'scores.json').is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'MKL_NUM_THREADS': '1',
                   'PYTHONPATH': str(ROOT)}
    with open(folder / 'log.txt', 'w') as log:
        subprocess.run([sys.executable, script, '--one', json.dumps(run), *options],
                       stdout=log, stderr=subprocess.STDOUT, env=environment, check=True)


def launch_all(runs: Sequence, jobs: int, start: Callable[[Sequence], None],
               needs: Callable[[Sequence], Sequence] = lambda run: ()) -> None:
    """Do runs, some at a time, and say how many are done.

    ``needs`` says which others, that stand before it, must be done before a run begins.
    """
    done = {run: Event() for run in runs}

    def do(run: Sequence) -> None:
        for other in needs(run):
            done[other].wait()
        try:
            start(run)
        finally:
            done[run].set()  # if it failed, its error is raised below, before those of others

    with ThreadPoolExecutor(jobs) as pool:
        for i, _ in enumerate(pool.map(do, runs), 1):
            print(f'{i} of {len(runs)} runs', file=sys.stderr, flush=True)
