"""Class relations found on ToyWorld against the true ones (UniSeg, Eq. 6 and 7).

Trains the cosine classifier with Null BCE on four views, gathers relations with both similarities,
and compares them with what follows from the leaves of the classes.

    python benchmarks/toyworld_relations.py --out work_dirs/toyworld_relations
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.runner import Runner, load_checkpoint

from mmseg_multids.apis.relations import SIMILARITIES, gather_relations
from mmseg_multids.apis.whole_images import training_images
from mmseg_multids.datasets.toyworld import true_relations
from mmseg_multids.label_spaces import ClassRelations
from mmseg_multids.visualization.relations import draw_relations

CONFIG = (Path(__file__).parent.parent / 'configs' / 'uniseg' / 'uniseg_toyworld4_null.py')


def line(iteration: int, similarity: str, relations: ClassRelations) -> str:
    """Return a row: how many of the true relations are found, and how many found are true."""
    truth = true_relations(relations.label_space)
    found = {tuple(relation[:3]) for relation in relations.relations()}
    hits = len(truth & found)
    return (f'| {iteration} | {similarity} | {relations.tau:.3f} | {len(found)} | {hits} of '
            f'{len(truth)} ({100 * hits / max(len(truth), 1):.0f} %) | '
            f'{100 * hits / max(len(found), 1):.0f} % | {precision_of_ranking(relations):.2f} |')


def precision_of_ranking(relations: ClassRelations) -> float:
    """Return the average precision of the scores of nodes of other datasets, whatever tau is."""
    truth, ranked = true_relations(relations.label_space), []
    space = relations.label_space
    for dataset, scores in relations.scores.items():
        foreign = np.flatnonzero(space.class_of_node(dataset) < 0)
        for row, name in zip(scores, space.space(dataset).classes):
            ranked += [(row[k], (dataset, name, space.nodes[k]) in truth) for k in foreign
                       if not np.isnan(row[k])]
    is_true = np.array([t for _, t in sorted(ranked, key=lambda r: -r[0])])
    precision = np.cumsum(is_true) / np.arange(1, len(is_true) + 1)
    return float(precision[is_true].mean())


def main() -> None:
    """Train, gather, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', type=Path, default=Path('work_dirs/toyworld_relations'))
    parser.add_argument('--steps', type=int, default=600)
    parser.add_argument('--every', type=int, default=100, help='iterations between two rows')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--images', type=int, default=100, help='of each dataset, for relations')
    args = parser.parse_args()
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict({
        'work_dir': str(args.out), 'randomness.seed': args.seed, 'resume': True,
        'train_cfg.max_iters': args.steps, 'train_cfg.val_interval': args.steps,
        'default_hooks.checkpoint.interval': args.every,
        'default_hooks.checkpoint.max_keep_ckpts': -1, 'log_level': 'WARNING',
        'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False})
    runner = Runner.from_cfg(cfg)
    if not (args.out / f'iter_{args.steps}.pth').is_file():
        runner.train()
    print('| iterations | similarity | tau | found | true ones found | found ones true | average '
          'precision, other datasets |', flush=True)
    print('|---' * 7 + '|')
    for iteration in range(args.every, args.steps + 1, args.every):
        load_checkpoint(runner.model, str(args.out / f'iter_{iteration}.pth'), map_location='cpu')
        for similarity in SIMILARITIES:
            relations = gather_relations(runner.model, training_images(cfg), similarity,
                                         max_images=args.images)
            relations.to_json(args.out / f'{similarity}_{iteration}.json')
            print(line(iteration, similarity, relations), flush=True)
        draw_relations(relations, args.out / f'relations_{iteration}.png')


if __name__ == '__main__':
    main()
