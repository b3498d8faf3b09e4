"""MDP's claim on small data: pretraining by contrast against others; prints Markdown.

Every row pretrains a backbone, with several seeds and for as many iterations as the others, and
fine-tunes it on each of the datasets and on one that was not seen. Finished runs are kept in
``--out`` and not repeated, so an interrupted call goes on.

    python benchmarks/mdp_results.py --set toyworld --out work_dirs/mdp_results
    python benchmarks/mdp_results.py --set realbench --out work_dirs/mdp_results
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from runs import ROOT, launch, launch_all, plain_dumps, quiet
from uniseg_results import cell

from mmseg_multids.files import replacing


class Set(NamedTuple):
    """Which data."""

    #: Configs of labelled pretraining, and with unlabelled images beside it.
    config: str
    semi: str
    #: Entry of the dataset that is not seen, by the file that has it.
    unseen: str
    #: Scales of fine-tuning, relative to the images.
    scales: tuple[float, float]
    #: Side of views and of crops.
    size: int


SETS = {'toyworld': Set('mdp_toyworld3', 'mdp_semi_toyworld3', 'toyworld_village', (0.75, 1.5), 64),
        'realbench': Set('mdp_realbench3', 'mdp_semi_realbench3', 'mumbai_aerial6', (0.4, 1.0),
                         64)}
CE = {'type': 'MultiDatasetSegmentor'}
PLAIN = {'mixing': None, 'consistency': None}
#: What each row changes in the config of the whole method; ``None``: nothing is pretrained.
ROWS = {
    'scratch': None,
    'cross-entropy, single head': {**CE, 'space': 'unified'},
    'cross-entropy, multi-head': {**CE, 'space': 'dataset'},
    'pixel-to-pixel': {'contrast': 'pixel', **PLAIN},
    'pixel-to-region': {'contrast': 'region', **PLAIN},
    'pixel-to-prototype': PLAIN,
    '+ mixing': {'consistency': None},
    '+ consistency': {},
    '+ unlabelled': {},
}


def _quiet(cfg: Config, folder: Path, seed: int, iters: int) -> Config:
    """Nothing but training; what pretraining needs stays, and no checkpoint is written."""
    kept = [h for h in cfg.custom_hooks if h.type == 'PrototypeContrastHook'
            and cfg.model.type == 'MultiDatasetPretrainer']
    quiet(cfg, folder, seed, iters)
    cfg.custom_hooks = kept
    cfg.default_hooks.checkpoint.save_last = False
    return cfg


def _small_images(cfg: Config, which: str) -> None:
    if which != 'toyworld':
        return
    for entry in [*cfg.model.datasets, *(e for part in ('train', 'val', 'test') for e in
                                         cfg[f'{part}_dataloader'].dataset.datasets)]:
        entry = entry.get('extends', entry)
        entry['image_size'] = (96, 96)
        entry['splits']['val']['size'] = entry['splits']['test']['size'] = 60
        # As few labelled images as fine-tuning on small data has.
        entry['splits']['train']['size'] = 400


def pretrain(which: str, row: str, seed: int, folder: Path, args: argparse.Namespace) -> dict:
    """Return the weights of a pretrained backbone."""
    data = SETS[which]
    name = data.semi if row == '+ unlabelled' else data.config
    cfg = Config.fromfile(ROOT / 'configs' / 'mdp' / f'{name}.py')
    _small_images(cfg, which)
    changes = copy.deepcopy(ROWS[row])
    views = next(t for t in cfg.train_dataloader.dataset.pipeline if t.type == 'PretrainViews')
    views['size'] = (args.size, args.size)
    batch = 12 if row == '+ unlabelled' else 9  # three images of each dataset
    if changes.get('type') == CE['type']:
        # As many augmented images in a batch, one of each image, with a classifier behind the head.
        batch *= 2
        views.update(views=1, twins=0)
        network = cfg.model
        cfg.model = {
            **CE, 'datasets': network.datasets, 'data_preprocessor': network.data_preprocessor,
            'backbone': network.backbone, 'train_cfg': {}, 'test_cfg': {'mode': 'whole'},
            'decode_head': {'type': 'UniSegHead', 'head': network.decode_head, 'loss_decode': {
                'type': 'PixelCrossEntropyLoss', 'space': changes['space']}}}
    else:
        cfg.model.update(changes)
        views['twins'] = int(cfg.model.consistency is not None)
    cfg.train_dataloader.batch_size = batch
    runner = Runner.from_cfg(_quiet(cfg, folder, seed, args.pretrain))
    model = runner.train()
    encoder = getattr(model, 'encoder', model)
    return {k: v.clone() for k, v in encoder.backbone.state_dict().items()}


def finetune(which: str, target: str, weights: Path | None, frozen: bool, seed: int, folder: Path,
             args: argparse.Namespace) -> float:
    """Return the mIoU after fine-tuning on one dataset."""
    data = SETS[which]
    cfg = Config.fromfile(ROOT / 'configs' / 'mdp' / f'{data.config}.py')
    base = Config.fromfile(ROOT / 'configs' / '_base_' / 'models' / 'r18half_s32_segformer.py')
    entries = {e.name: e for e in cfg.model.datasets}
    unseen = Config.fromfile(ROOT / 'configs' / '_base_' / 'datasets' / f'{data.unseen}.py')
    entry = entries.get(target) or unseen[data.unseen]
    cfg.model = {**base.model, 'datasets': [entry]}
    if weights is not None:
        cfg.model.backbone.init_cfg = {'type': 'Pretrained', 'checkpoint': str(weights)}
    if frozen:
        cfg.model.backbone.frozen_stages = 4
    for part in ('train', 'val', 'test'):
        cfg[f'{part}_dataloader'].dataset.datasets = [copy.deepcopy(entry)]
    _small_images(cfg, which)
    steps = [t for t in cfg.train_dataloader.dataset.pipeline
             if t.type not in ('PretrainViews', 'PackSegInputs')]
    cfg.train_dataloader.dataset.pipeline = [
        *steps, {'type': 'RandomScale', 'ratio_range': data.scales},
        {'type': 'PlannedCrop', 'crop_size': (args.size, args.size)},
        {'type': 'RandomFlip', 'prob': 0.5}, {'type': 'PhotoMetricDistortion'},
        {'type': 'PackSegInputs'}]
    runner = Runner.from_cfg(_quiet(cfg, folder, seed, args.finetune))
    runner.train()
    return float(runner.test()[f'{target}/mIoU'])


def targets_of(which: str) -> list[str]:
    """Return the datasets of a set; the last one is not seen in pretraining."""
    data = SETS[which]
    cfg = Config.fromfile(ROOT / 'configs' / 'mdp' / f'{data.config}.py')
    return [*(e.name for e in cfg.model.datasets), data.unseen.removeprefix('toyworld_')]


def one(which: str, row: str, seed: int, folder: Path, args: argparse.Namespace) -> None:
    """Pretrain, fine-tune and test."""
    init_default_scope('mmseg')
    start, weights = time.time(), None
    targets = targets_of(which)
    with plain_dumps():
        if ROWS[row] is not None:
            weights = folder / 'backbone.pth'
            torch.save(pretrain(which, row, seed, folder, args), weights)
        found = {'fine-tuned': {t: finetune(which, t, weights, False, seed, folder, args)
                                for t in targets},
                 'frozen': {t: finetune(which, t, weights, True, seed, folder, args)
                            for t in (targets[0], targets[-1])}}
    with replacing(folder / 'scores.json') as file:
        file.write_text(json.dumps({**found, 'seconds': time.time() - start}))


def folder_of(which: str, row: str, seed: int, out: Path) -> Path:
    """Where a run's results lie."""
    return out / which / row.replace(' ', '_').replace(',', '') / f'seed{seed}'


def report(which: str, seeds: Sequence[int], out: Path) -> str:
    """Return the tables of a set."""
    found = {row: [json.loads((folder_of(which, row, seed, out) / 'scores.json').read_text())
                   for seed in seeds] for row in ROWS}
    unseen = targets_of(which)[-1]
    blocks = []
    for kind, title in (('fine-tuned', 'mIoU after fine-tuning'),
                        ('frozen', 'mIoU with the backbone frozen')):
        names = list(found['scratch'][0][kind])
        seen = [name for name in names if name != unseen]
        head = [*seen, *(['mean'] if len(seen) > 1 else []), f'{unseen} (not seen)']
        lines = [f'#### {title}', '', '| | ' + ' | '.join(head) + ' |',
                 '|---' * (len(head) + 1) + '|']
        for row, results in found.items():
            columns = [[r[kind][name] for r in results] for name in seen]
            if len(seen) > 1:
                columns.append(np.mean(columns, axis=0))
            columns.append([r[kind][unseen] for r in results])
            lines.append(f'| {row} | ' + ' | '.join(map(cell, columns)) + ' |')
        blocks.append('\n'.join(lines))
    seconds = sum(r['seconds'] for results in found.values() for r in results)
    return '\n\n'.join([*blocks, f'{seconds / 60:.0f} minutes of one core in all.'])


def main() -> None:
    """Train what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--set', choices=SETS)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/mdp_results'))
    parser.add_argument('--pretrain', type=int, default=200, help='iterations')
    parser.add_argument('--finetune', type=int, default=100, help='iterations')
    parser.add_argument('--size', type=int, help='side of views and crops')
    parser.add_argument('--seeds', type=int, nargs='+', default=(0, 1, 2))
    parser.add_argument('--jobs', type=int, default=os.cpu_count(), help='runs at a time')
    parser.add_argument('--one', help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.out = args.out.resolve()
    if args.one:
        which, row, seed = json.loads(args.one)
        one(which, row, seed, folder_of(which, row, seed, args.out), args)
        return
    if args.set is None:
        parser.error('--set is needed')
    args.size = args.size or SETS[args.set].size
    options = ['--out', str(args.out), '--pretrain', str(args.pretrain), '--finetune',
               str(args.finetune), '--size', str(args.size)]
    launch_all([(args.set, row, seed) for row in ROWS for seed in args.seeds], args.jobs,
               lambda run: launch(__file__, run, folder_of(*run, args.out), options))
    print(report(args.set, args.seeds, args.out))


if __name__ == '__main__':
    main()
