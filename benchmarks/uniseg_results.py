"""UniSeg's claim on small data: trains on all datasets but one and tests on all; prints Markdown.

Every row is a config of ``configs/uniseg``, run with several seeds on the whole mix and on the mix
without one dataset, which is then unseen. Finished runs are kept in ``--out`` and not repeated, so
an interrupted call goes on.

    python benchmarks/uniseg_results.py --set toyworld4 --out work_dirs/uniseg_results
    python benchmarks/uniseg_results.py --set realbench4 --out work_dirs/uniseg_results
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from runs import ROOT, launch, launch_all

from mmseg_multids.apis.relations import (
    HEADS,
    SIMILARITIES,
    gather_head_relations,
    gather_relations,
)
from mmseg_multids.apis.whole_images import training_images
from mmseg_multids.datasets import label_spaces_from_cfg
from mmseg_multids.datasets.toyworld import true_relations
from mmseg_multids.evaluation import DatasetScores
from mmseg_multids.files import replacing
from mmseg_multids.label_spaces import (
    ClassRelations,
    build_label_space,
    match_nodes,
    read_alias_file,
)

METHODS = ('ce', 'null', 'multihead')


#: Rows of the tables: which run they are of, and which part of its results.
ROWS = {'Multi-dataset (CE)': ('ce', 'datasets'), 'UniSeg (Null BCE)': ('null', 'datasets'),
        'UniSeg (class-relational BCE)': ('null', 'second'),
        'class-relational BCE, relations of the heads': ('multihead', 'second')}


class Mixes(NamedTuple):
    """What is trained on and tested."""

    datasets: tuple[str, ...]
    #: Datasets that are left out in turn.
    held_out: tuple[str, ...]
    #: Datasets that are tested and never trained on.
    unseen: tuple[str, ...]
    #: Whether the mix of all is trained, too.
    whole: bool
    #: ``configs/uniseg/uniseg_<these>_*.py``
    configs: str
    #: Iterations of a run.
    steps: int = 350
    #: Whether each dataset is trained alone, and whether there is a classifier for each.
    baselines: bool = True

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the methods that are trained."""
        return METHODS if self.baselines else ('ce', 'null')

    def trained(self) -> tuple[str, ...]:
        """Return what is left out in each training; ``''`` is nothing."""
        return ('', *self.held_out) if self.whole else self.held_out


SETS = {'toyworld4': Mixes(('city', 'metro', 'asia', 'atlas'), ('city', 'asia'),
                           ('village', 'wild'), True, 'toyworld4'),
        # Both losses alone, trained four times as long.
        'toyworld4_long': Mixes(('city', 'metro', 'asia', 'atlas'), (), ('village', 'wild'), True,
                                'toyworld4', 1400, False),
        # The other two share one class with the rest: nothing to choose between.
        'realbench4': Mixes(('camvid11', 'ycor8', 'labelmefacade8', 'mumbai_aerial6'),
                            ('camvid11', 'labelmefacade8'), (), False, 'realbench4')}


class Run(NamedTuple):
    """One row's training on one mix with one seed."""

    which: str
    method: str
    #: Dataset that is left out; ``''`` for none, ``'only:...'`` for a single dataset.
    without: str
    seed: int

    def folder(self, out: Path) -> Path:
        """Where its results lie."""
        return out / self.which / self.method / (self.without.replace(':', '_') or 'all') \
            / f'seed{self.seed}'

    def datasets(self) -> list[str]:
        """What it is trained on."""
        every = SETS[self.which].datasets
        if self.without.startswith('only:'):
            return [self.without[5:]]
        return [name for name in every if name != self.without]


def runs_of(which: str, seeds: Sequence[int]) -> list[Run]:
    """Return all runs of a set."""
    mixes = SETS[which]
    single = [Run(which, 'ce', f'only:{name}', seed) for name in mixes.datasets for seed in seeds]
    return (single if mixes.baselines else []) + [
                     Run(which, method, without, seed) for method in mixes.methods
                     for without in mixes.trained() for seed in seeds]


# ------------------------------------------------------------------ one run, in its own process


def _config(run: Run, name: str, folder: Path, args: argparse.Namespace) -> Config:
    mixes = SETS[run.which]
    cfg = Config.fromfile(ROOT / 'configs' / 'uniseg' / f'uniseg_{mixes.configs}_{name}.py')
    kept = [entry for entry in cfg.datasets if entry['name'] in run.datasets()]
    cfg.model.datasets = cfg.train_dataloader.dataset.datasets = kept
    if run.which.startswith('toyworld'):
        for entry in (*kept, *cfg.test_dataloader.dataset.datasets):
            entry['image_size'] = (args.size, args.size)
            entry['splits']['val']['size'] = 60
    else:
        cfg.train_dataloader.sampler['crop_size'] = (args.size, args.size)
    workers = 1 if torch.cuda.is_available() else 0
    cfg.merge_from_dict({
        'work_dir': str(folder), 'experiment_name': str(run).replace('/', '_') + name,
        'log_level': 'WARNING', 'randomness.seed': run.seed,
        'train_cfg.max_iters': args.steps or mixes.steps,
        'train_cfg.val_interval': 10 ** 9, 'train_dataloader.batch_size': args.batch_size,
        'train_dataloader.num_workers': workers,
        'train_dataloader.persistent_workers': workers > 0, 'test_dataloader.num_workers': 0,
        'default_hooks.checkpoint.interval': 10 ** 9, 'default_hooks.checkpoint.save_last': False,
        'env_cfg.cudnn_benchmark': True})
    cfg.test_dataloader.dataset.datasets = [
        entry for entry in cfg.test_dataloader.dataset.datasets if _readable(entry, cfg)]
    cfg.custom_hooks = []
    cfg.val_dataloader.dataset.datasets = kept
    cfg.val_cfg = cfg.val_evaluator = None
    loader, cfg.val_dataloader = cfg.val_dataloader, None
    cfg.relations_pipeline = loader.dataset.pipeline
    return cfg


def _readable(entry: dict, cfg: Config) -> bool:
    """Whether a dataset shares a class with those that are trained on."""
    trained = label_spaces_from_cfg(cfg.model.datasets)
    [tested] = label_spaces_from_cfg([entry])
    space = build_label_space(cfg.model.get('label_space'), trained)
    aliases = (cfg.model.test_cfg.get('unseen') or {}).get('aliases')
    groups = read_alias_file(aliases).groups if isinstance(aliases, str) else aliases
    try:
        return tested.name in space.datasets or bool(match_nodes(space, tested, groups).any())
    except ValueError:
        return False


def _train(cfg: Config) -> Runner:
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


def _scores(runner: Runner) -> dict:
    runner.test()
    return {name: score.to_dict()
            for name, score in runner.test_loop.evaluator.metrics[0].scores.items()}


def _images(runner: Runner):
    cfg = runner.cfg.copy()
    cfg.val_dataloader = dict(dataset=dict(datasets=[], pipeline=cfg.relations_pipeline))
    return training_images(cfg)


def _compared(relations: ClassRelations, run: Run, file: Path) -> dict:
    """Write relations; say which they are and, where it is known, how many are true."""
    relations.to_json(file)
    pairs = {tuple(r[:3]) for r in relations.relations()}
    found = {'tau': relations.tau, 'found': sorted(map(list, pairs))}
    if run.which.startswith('toyworld'):
        truth = true_relations(relations.label_space)
        found.update(true=len(truth), hits=len(truth & pairs))
    return found


def _second_stage(run: Run, folder: Path, relations: str, args: argparse.Namespace) -> dict:
    cfg = _config(run, 'classrel_from_file', folder / relations, args)
    cfg.model.decode_head.loss_decode.relations = str(folder / f'{relations}.json')
    return _scores(_train(cfg))


def one(run: Run, args: argparse.Namespace) -> None:
    """Train and test one run."""
    folder = run.folder(args.out)
    result = {}
    runner = _train(_config(run, run.method, folder, args))
    result['datasets'] = _scores(runner)
    if run.method == 'null':
        result['relations'] = {kind: _compared(
            gather_relations(runner.model, _images(runner), kind, max_images=100), run,
            folder / f'{kind}.json') for kind in SIMILARITIES}
        result['second'] = _second_stage(run, folder, 'cosine', args)
    elif run.method == 'multihead':
        for head in run.datasets():
            runner.model.test_cfg['unseen'] = {
                **(runner.model.test_cfg.get('unseen') or {}), 'source': head}
            runner.model.unseen.clear()
            try:
                result[f'head:{head}'] = _scores(runner)
            except ValueError as error:  # a test dataset that it shares no class with
                if 'nothing can be predicted' not in str(error):
                    raise
                result[f'head:{head}'] = {}
        target = _config(run, 'classrel_from_file', folder, args).model
        space = build_label_space(target.label_space, label_spaces_from_cfg(target.datasets))
        result['relations'] = {HEADS: _compared(
            gather_head_relations(runner.model, _images(runner), space, max_images=100), run,
            folder / f'{HEADS}.json')}
        result['second'] = _second_stage(run, folder, HEADS, args)
    with replacing(folder / 'scores.json') as file:
        file.write_text(json.dumps(result))


# ------------------------------------------------------------------ tables


def launch_one(run: Run, args: argparse.Namespace) -> None:
    """Train in a process of its own, on one thread, unless it was done before."""
    launch(__file__, run, run.folder(args.out), [
        '--out', str(args.out), '--steps', str(args.steps or 0), '--batch-size',
        str(args.batch_size), '--size', str(args.size)])


def load(run: Run, out: Path) -> dict:
    """Return a run's results."""
    return json.loads((run.folder(out) / 'scores.json').read_text())


def miou(scores: dict, dataset: str, name: str | None = None,
         classes: Sequence[str] | None = None) -> float:
    """Return a dataset's mIoU in percent, or the IoU of one class.

    Args:
        scores: Of a run.
        dataset: The tested dataset.
        name: The class.
        classes: Average over these; those that cannot be predicted have 0. Default: all that count.
    """
    if dataset not in scores:  # no class in common
        return 0.0
    score = DatasetScores.from_dict(scores[dataset])
    if classes is not None:
        return 100 * float(np.mean(np.nan_to_num(
            [score.iou[score.classes.index(c)] for c in classes])))
    return 100 * (score.mean() if name is None else score.iou[score.classes.index(name)])


def evaluated(which: str, without: str, dataset: str, out: Path) -> list[str]:
    """Return the classes of a dataset that the mix has: what all rows are averaged over."""
    score = DatasetScores.from_dict(load(Run(which, 'ce', without, 0), out)['datasets'][dataset])
    return [c for c, note in zip(score.classes, score.notes) if not note]


def cell(values: Sequence[float]) -> str:
    """Return mean and standard deviation over the seeds."""
    spread = f' ± {np.std(values, ddof=1):.1f}' if len(values) > 1 else ''
    return f'{np.mean(values):.1f}{spread}'


def table(head: Sequence[str], rows: dict[str, list[Sequence[float]]]) -> str:
    """Return Markdown; ``rows[name][column]`` are the seeds' figures. The last column is a mean."""
    lines = ['| | ' + ' | '.join(head) + ' | mean |', '|---' * (len(head) + 2) + '|']
    for name, columns in rows.items():
        columns = [*columns, np.mean(columns, axis=0)]
        lines.append(f'| {name} | ' + ' | '.join(map(cell, columns)) + ' |')
    return '\n'.join(lines)


def best_single(which: str, seeds: Sequence[int], out: Path, without: str,
                unseen: Sequence[str]) -> list[list[float]]:
    """Return the unseen datasets' mIoU of the single-dataset model that is best on average."""
    found = [[[miou(load(Run(which, 'ce', f'only:{name}', seed), out)['datasets'], other, None,
                    evaluated(which, without, other, out)) for seed in seeds] for other in unseen]
             for name in Run(which, 'ce', without, 0).datasets()]
    return max(found, key=np.mean)


def report(which: str, seeds: Sequence[int], out: Path) -> str:
    """Return the tables of a set."""
    mixes, blocks = SETS[which], []

    def columns(method: str, pairs: Sequence[tuple[str, str]], part: str = 'datasets',
                name: str | None = None) -> list[list[float]]:
        return [[miou(load(Run(which, method, without, seed), out)[part], dataset, name,
                      None if name else evaluated(which, without, dataset, out))
                 for seed in seeds] for without, dataset in pairs]

    def heads(pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
        """The best head for each unseen dataset, chosen by the test itself."""
        best = []
        for without, dataset in pairs:
            kept = Run(which, 'multihead', without, 0).datasets()
            best.append(max((columns('multihead', [(without, dataset)], f'head:{head}')[0]
                             for head in kept), key=np.mean))
        return best

    def rows(pairs: Sequence[tuple[str, str]], unseen: bool) -> dict:
        found = {title: columns(method, pairs, part) for title, (method, part) in own.items()}
        if not mixes.baselines:
            return found
        multihead = columns('multihead', pairs)
        if not unseen:
            return {**found, 'multi-head': multihead}
        return {**found, 'multi-head, mean of the heads': multihead,
                'multi-head, best head': heads(pairs)}

    own = {title: (method, part) for title, (method, part) in ROWS.items()
           if method in mixes.methods}
    if mixes.held_out:
        held = [(name, name) for name in mixes.held_out]
        single = {'single-best (CE)': [
            best_single(which, seeds, out, name, [name])[0] for name in mixes.held_out]}
        blocks.append('### Unseen: trained on the other datasets (as Table 3)\n\n' + table(
            mixes.held_out, {**single, **rows(held, True)}))
    if mixes.unseen:
        for without in mixes.trained():
            pairs = [(without, name) for name in mixes.unseen]
            single = {'single-best (CE)': best_single(
                which, seeds, out, without, mixes.unseen)} if mixes.baselines else {}
            title = 'all datasets' if not without else f'all but {without}'
            blocks.append(f'### Unseen: trained on {title} (as Tables 1 and 2)\n\n' + table(
                mixes.unseen, {**single, **rows(pairs, True)}))
    for without in ('',) if mixes.whole else mixes.held_out:
        names = Run(which, 'ce', without, 0).datasets()
        single = {'single dataset (CE)': [
            [miou(load(Run(which, 'ce', f'only:{name}', seed), out)['datasets'], name)
             for seed in seeds] for name in names]} if mixes.baselines else {}
        title = 'all' if not without else f'all but {without}'
        blocks.append(f'### Seen: trained on {title} (as Table A-2)\n\n' + table(
            names, {**single, **rows([(without, name) for name in names], False)}))
    if which.startswith('toyworld'):
        blocks.append('### `rider`, trained on all: IoU\n\n' + table(
            ('city', 'metro', 'asia', *mixes.unseen), {
                title: columns(method, [('', d) for d in ('city', 'metro', 'asia', *mixes.unseen)],
                               part, 'rider') for title, (method, part) in own.items()}))
        if mixes.baselines:
            blocks.append(_relation_table(which, seeds, out))
    return '\n\n'.join(blocks)


def _relation_table(which: str, seeds: Sequence[int], out: Path) -> str:
    lines = ['### Relations found against the truth', '',
             '| trained on | similarity | tau | true | found | of the true found | of those found '
             'true |', '|---' * 7 + '|']
    for without in SETS[which].trained():
        found = [{**load(Run(which, 'null', without, seed), out)['relations'],
                  **load(Run(which, 'multihead', without, seed), out)['relations']}
                 for seed in seeds]
        for similarity in (*SIMILARITIES, HEADS):
            each = [f[similarity] for f in found]
            recall = [100 * e['hits'] / max(e['true'], 1) for e in each]
            precision = [100 * e['hits'] / max(len(e['found']), 1) for e in each]
            lines.append(
                f'| {"all" if not without else f"all but {without}"} | {similarity} | '
                f'{np.mean([e["tau"] for e in each]):.2f} | {each[0]["true"]} | '
                f'{np.mean([len(e["found"]) for e in each]):.1f} | {cell(recall)} % | '
                f'{cell(precision)} % |')
    return '\n'.join(lines)


def main() -> None:
    """Train what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--set', choices=tuple(SETS))
    parser.add_argument('--out', type=Path, default=Path('work_dirs/uniseg_results'))
    parser.add_argument('--steps', type=int, help='iterations of a run (default: 350; 1400 of '
                        'toyworld4_long)')
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--size', type=int, default=96, help='side of images or crops')
    parser.add_argument('--seeds', type=int, nargs='+', default=(0, 1, 2))
    parser.add_argument('--jobs', type=int, default=os.cpu_count(), help='runs at a time')
    parser.add_argument('--train-only', action='store_true', help='print no tables')
    parser.add_argument('--one', help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.out = args.out.resolve()
    if args.one:
        one(Run(*json.loads(args.one)), args)
        return
    if args.set is None:
        parser.error('--set is needed')
    launch_all(runs_of(args.set, args.seeds), args.jobs, lambda run: launch_one(run, args))
    if not args.train_only:
        print(report(args.set, args.seeds, args.out))


if __name__ == '__main__':
    main()
