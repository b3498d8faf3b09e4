"""AutoUniSeg's claim on small data: learned against given label spaces; prints Markdown.

Every row is trained with several seeds on all datasets of a set, as long as the whole method, and
tested on seen and unseen ones. Unseen datasets are read by a mapping that is searched on their
training images. Finished runs are kept in ``--out`` and not repeated, so an interrupted call goes
on.

    python benchmarks/autouniseg_results.py --set toyworld4 --out work_dirs/autouniseg_results
    python benchmarks/autouniseg_results.py --set toyworld4_long --out work_dirs/autouniseg_results
    python benchmarks/autouniseg_results.py --set realbench4 --out work_dirs/autouniseg_results
"""

from __future__ import annotations

import argparse
import copy
import json
import os
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from runs import ROOT, launch, launch_all, plain_dumps
from uniseg_results import cell

from mmseg_multids.apis.cross_eval import cross_evaluate, images_to_test
from mmseg_multids.datasets.toyworld import true_links
from mmseg_multids.files import replacing
from mmseg_multids.label_spaces import UnifiedLabelSpace
from mmseg_multids.label_spaces.links import Link, links_of, score_links
from mmseg_multids.models import UNIFIED

#: Side of images or crops of each set.
SETS = {'toyworld4': 96, 'toyworld4_long': 96, 'realbench4': 64}
#: How much longer phases take in the long set, and its rows: it is about links.
LONG = {'heads': 4, 'final': 2}
LONG_ROWS = ('AutoUniSeg',)
#: Rows whose classes have a row of their own each.
APART = ('single', 'multi-head')
LINEAR = {'classifier': {'_delete_': True, 'type': 'LinearNodeClassifier'}}

#: What each row changes in the config of the whole method.
ROWS = {
    # A network for each dataset, each trained for its share of the iterations.
    'single': {'model': {'decode_head': LINEAR}, 'custom_hooks': []},
    'multi-head': {'model': {'decode_head': LINEAR}, 'custom_hooks': []},
    'direct concatenation': {
        'model': {'decode_head': {**LINEAR, 'loss_decode': {'space': 'unified'}}},
        'custom_hooks': []},
    'by name': {'model': {'decode_head': LINEAR, 'label_space': {
        '_delete_': True, 'type': 'by_name'}}, 'custom_hooks': []},
    'text clusters': {'model': {'decode_head': LINEAR, 'label_space': {
        '_delete_': True, 'type': 'by_text', 'similarity': 0.6}}, 'custom_hooks': []},
    'initial adjacency, no graph': {},
    # As the paper has it: nothing is known of links that were not merged, and any pixel keeps one.
    'AutoUniSeg, first links as printed': {
        'phases': {'cost': 'absolute', 'first_links': 'merges', 'min_share': 0.0}},
    'AutoUniSeg, no descriptions': {
        'model': {'decode_head': {'classifier': {'text': {'descriptions': False}}}}},
    'AutoUniSeg': {},
}


def _config(which: str, row: str, seed: int, folder: Path, args: argparse.Namespace) -> Config:
    name = which.removesuffix('_long')
    cfg = Config.fromfile(ROOT / 'configs' / 'autouniseg' / f'autouniseg_{name}.py')
    # No reports, which draw pictures.
    hook = next(h for h in cfg.custom_hooks if h.type == 'TrainingPhases')
    cfg.custom_hooks = [hook]
    if which.endswith('_long'):
        hook.phases = [{**phase, 'iters': phase.iters * LONG.get(phase.kind, 1)}
                       for phase in hook.phases]
        cfg.train_cfg.max_iters = sum(phase['iters'] for phase in hook.phases)
    changes = dict(ROWS[row])
    hook.update(changes.pop('phases', {}))
    cfg.merge_from_dict(changes)
    if row.startswith('initial'):
        heads, rest = hook.phases[0], hook.phases[1:]
        hook.phases = [heads, {**rest[-1], 'iters': sum(phase.iters for phase in rest)}]
        cfg.custom_hooks = [hook]
    entries = [*cfg.model.datasets, *cfg.train_dataloader.dataset.datasets,
               *cfg.val_dataloader.dataset.datasets, *cfg.test_dataloader.dataset.datasets]
    cfg.train_dataloader.sampler['crop_size'] = (args.size, args.size)
    if which.startswith('toyworld'):
        for entry in entries:
            entry['image_size'] = (args.size, args.size)
            entry['splits']['val']['size'] = 60
    workers = 1 if torch.cuda.is_available() else 0
    cfg.merge_from_dict({
        'work_dir': str(folder), 'experiment_name': f'{which}_{row}_{seed}'.replace(' ', '_'),
        'log_level': 'WARNING', 'randomness.seed': seed,
        'train_cfg.val_begin': 10 ** 9, 'train_dataloader.num_workers': workers,
        'train_dataloader.persistent_workers': workers > 0, 'test_dataloader.num_workers': 0,
        'val_dataloader.num_workers': 0, 'default_hooks.checkpoint.interval': 10 ** 9,
        'default_hooks.checkpoint.save_last': False})
    return cfg


def one(which: str, row: str, seed: int, folder: Path, args: argparse.Namespace) -> None:
    """Train and test one run."""
    cfg = _config(which, row, seed, folder, args)
    init_default_scope(cfg.default_scope)
    search, test = images_to_test(cfg, 'train'), images_to_test(cfg, 'val')
    # Nothing needs to be searched where all tested datasets are trained on.
    unseen = set(test.names) - {entry['name'] for entry in cfg.model.datasets}
    match = 'search' if unseen else 'name'
    found, nodes = {}, 0
    for part in _each_alone(cfg) if row == 'single' else [cfg]:
        with plain_dumps():
            runner = Runner.from_cfg(part)
            runner.train()
        space = runner.model.label_space
        targets = [*space.datasets, *(() if row in APART else (UNIFIED,))]
        found.update((r.label, {k: None if np.isnan(v) else v for k, v in r.miou.items()})
                     for r in cross_evaluate(runner.model, search, test, targets, match,
                                             search_images=100))
        nodes += space.num_nodes
    result = {'miou': found, 'nodes': nodes, 'links': {}}
    if row not in APART:
        spaces = {'final': space}
        for file in sorted((folder / 'label_spaces').glob('*.json')):
            spaces[file.stem] = UnifiedLabelSpace.from_json(file)
        true = true_links(space) if which.startswith('toyworld') else links_of_taxonomy()
        result['links'] = {name: score_links(links_of(s), true)._asdict()
                           for name, s in spaces.items()}
    with replacing(folder / 'scores.json') as file:
        file.write_text(json.dumps(result))


def _each_alone(cfg: Config) -> Iterator[Config]:
    """Yield a config for each of the datasets, with its share of the iterations."""
    total = len(cfg.model.datasets)
    for i in range(total):
        alone = copy.deepcopy(cfg)
        for part in (alone.model, alone.train_dataloader.dataset, alone.val_dataloader.dataset,
                     alone.test_dataloader.dataset):
            part.datasets = [part.datasets[i]]
        alone.train_cfg.max_iters = cfg.train_cfg.max_iters // total
        alone.experiment_name = f'{cfg.experiment_name}_{i}'
        yield alone


def links_of_taxonomy() -> set[Link]:
    """Return which classes of the small real datasets share a leaf concept."""
    file = Path(os.environ['MULTIDS_DATA_ROOT']) / 'taxonomy.json'
    classes = json.loads(file.read_text())['classes']
    return {((a, i), (b, j)) for a, b in combinations(classes, 2)
            for i, of_a in classes[a].items() for j, of_b in classes[b].items()
            if set(of_a) & set(of_b)}


def launch_one(run: tuple[str, str, int], args: argparse.Namespace) -> None:
    """Train in a process of its own, on one thread, unless it was done before."""
    launch(__file__, run, folder_of(*run, args.out),
           ['--out', str(args.out), '--size', str(args.size)])


def folder_of(which: str, row: str, seed: int, out: Path) -> Path:
    """Where a run's results lie."""
    return out / which / row.replace(' ', '_').replace(',', '') / f'seed{seed}'


def report(which: str, seeds: Sequence[int], out: Path) -> str:
    """Return the tables of a set."""
    found = {row: [json.loads((folder_of(which, row, seed, out) / 'scores.json').read_text())
                   for seed in seeds] for row in rows_of(which)}
    datasets = list(next(iter(found['AutoUniSeg']))['miou'][UNIFIED])
    seen = [d for d in datasets if d in found['AutoUniSeg'][0]['miou']]
    blocks = [f'#### mIoU on {kind} datasets\n\n' + _table(found, names) for kind, names in
              (('seen', seen), ('unseen', [d for d in datasets if d not in seen])) if names]
    blocks.append('#### Links between classes of different datasets\n\n' + _links(found))
    return '\n\n'.join(blocks)


def rows_of(which: str) -> list[str]:
    """Return the rows of a set."""
    return list(LONG_ROWS if which.endswith('_long') else ROWS)


def _table(found: dict, names: Sequence[str]) -> str:
    lines = ['| | nodes | ' + ' | '.join(names) + ' | mean |', '|---' * (len(names) + 3) + '|']
    for row, results in found.items():
        columns = [[100 * _value(r, name) for r in results] for name in names]
        columns.append(np.mean(columns, axis=0))
        nodes = cell([r['nodes'] for r in results])
        lines.append(f'| {row} | {nodes} | ' + ' | '.join(map(cell, columns)) + ' |')
    return '\n'.join(lines)


def _value(result: dict, name: str) -> float:
    """A dataset's own classes; of an unseen one all nodes, or the best head of several."""
    if name in result['miou']:
        return result['miou'][name][name]
    if UNIFIED in result['miou']:
        return result['miou'][UNIFIED][name]
    return max(row[name] or 0.0 for row in result['miou'].values())


def _links(found: dict) -> str:
    lines = ['| | found | true | precision | recall | F1 | F1 before pruning | F1 of the merges |',
             '|---' * 8 + '|']
    for row, results in found.items():
        if row in (*APART, 'direct concatenation'):
            continue
        final = [r['links']['final'] for r in results]
        stages = [_stages(r['links']) for r in results]
        before, merges = (_share([s[i]['f1'] for s in stages]) if all(stages) else '-'
                          for i in (0, 1))
        lines.append(
            f'| {row} | {np.mean([f["found"] for f in final]):.0f} | {final[0]["true"]} | '
            + ' | '.join(_share([f[k] for f in final]) for k in ('precision', 'recall', 'f1'))
            + f' | {before} | {merges} |')
    return '\n'.join(lines)


def _stages(links: dict) -> tuple[dict, dict] | None:
    """Scores before pruning and of the first merges, where a row has them."""
    last = [v for k, v in links.items() if k.endswith('_final')]
    return (last[0], next(v for k, v in links.items() if k.startswith('2_'))) if last else None


def _share(values: Sequence[float]) -> str:
    return f'{np.mean(values):.2f} ± {np.std(values, ddof=min(1, len(values) - 1)):.2f}'


def main() -> None:
    """Train what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--set', choices=SETS)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/autouniseg_results'))
    parser.add_argument('--size', type=int, help='side of images or crops (default: 96, and 64 '
                        'of the real datasets)')
    parser.add_argument('--seeds', type=int, nargs='+', default=(0, 1, 2))
    parser.add_argument('--jobs', type=int, default=os.cpu_count(), help='runs at a time')
    parser.add_argument('--one', help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.out = args.out.resolve()
    args.size = args.size or SETS.get(args.set)
    if args.one:
        which, row, seed = json.loads(args.one)
        one(which, row, seed, folder_of(which, row, seed, args.out), args)
        return
    if args.set is None:
        parser.error('--set is needed')
    launch_all([(args.set, row, seed) for row in rows_of(args.set) for seed in args.seeds],
               args.jobs, lambda run: launch_one(run, args))
    print(report(args.set, args.seeds, args.out))


if __name__ == '__main__':
    main()
