"""How much the domains of ToyWorld differ: trained on one view, tested on all.

All street views are labelled with the classes of ``city``, so that only the domains differ. A row
is a network trained on one view, a column the view it is tested on; figures are mIoU over the
classes with more than 0.5 % of the pixels.

    python benchmarks/toyworld_cross.py            # about 15 minutes on 2 CPU cores
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

CONFIG = Path(__file__).parent.parent / 'configs' / 'quickstart' / 'quickstart_toyworld.py'
VIEWS = ('city', 'metro', 'asia', 'atlas', 'village', 'wild')


def entry(view: str) -> dict:
    """Return a dataset entry of one view, labelled as ``city``."""
    return {'name': view, 'type': 'ToyWorldDataset', 'view': view, 'taxonomy': 'city',
            'splits': {'train': {'split': 'train', 'size': 4000},
                       'val': {'split': 'val', 'size': 100}}}


def train_and_test(view: str, iterations: int, work_dir: str) -> dict:
    """Train on one view; return mIoU on each."""
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict({
        'work_dir': work_dir, 'experiment_name': f'cross_{view}', 'visualizer.name': view,
        'train_cfg.max_iters': iterations, 'train_cfg.val_interval': 10 ** 9,
        'custom_hooks': [], 'log_level': 'WARNING',
        'default_hooks.checkpoint.interval': 10 ** 9, 'default_hooks.checkpoint.save_last': False,
        'model.test_cfg.label_space': view})
    cfg.model.datasets = cfg.train_dataloader.dataset.datasets = [entry(view)]
    cfg.test_dataloader.dataset.datasets = [entry(other) for other in VIEWS]
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.train_dataloader.num_workers = 1
    runner = Runner.from_cfg(copy.deepcopy(cfg))
    runner.train()
    metrics = runner.test()
    return {other: metrics[f'{other}/mIoU_frequent'] for other in VIEWS}


def main() -> None:
    """Train, test, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--iterations', type=int, default=300)
    args = parser.parse_args()
    lines = ['| trained on | ' + ' | '.join(VIEWS) + ' |', '|---' * (len(VIEWS) + 1) + '|']
    for view in VIEWS:
        with tempfile.TemporaryDirectory() as work_dir:
            scores = train_and_test(view, args.iterations, work_dir)
        cells = [f'**{scores[v]:.1f}**' if v == view else f'{scores[v]:.1f}' for v in VIEWS]
        lines.append(f'| `{view}` | ' + ' | '.join(cells) + ' |')
        print(lines[-1], flush=True)
    print('\n' + '\n'.join(lines))


if __name__ == '__main__':
    main()
