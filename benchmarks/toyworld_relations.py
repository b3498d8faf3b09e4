"""Class relations found on ToyWorld against the true ones (UniSeg, Eq. 6 and 7).

Trains the cosine classifier with Null BCE on four views, gathers relations with both similarities,
and compares them with what follows from the leaves of the classes.

    python benchmarks/toyworld_relations.py --out work_dirs/toyworld_relations
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner, load_checkpoint

from mmseg_multids.apis.relations import SIMILARITIES, gather_relations, training_images
from mmseg_multids.datasets.toyworld import true_relations
from mmseg_multids.label_spaces import ClassRelations
from mmseg_multids.visualization.relations import draw_relations

CONFIG = (Path(__file__).parent.parent / 'configs' / 'uniseg' / 'uniseg_toyworld4_cosine_null.py')


def score(relations: ClassRelations) -> str:
    """Return a line: how many of the true relations are found, and how many found are true."""
    truth = true_relations(relations.label_space)
    found = {tuple(relation[:3]) for relation in relations.relations()}
    hits = len(truth & found)
    return (f'tau {relations.tau:6.3f}: {len(found):3d} found, {hits} of {len(truth)} true ones '
            f'({100 * hits / max(len(truth), 1):.0f} %), {100 * hits / max(len(found), 1):.0f} % '
            'of those found are true')


def main() -> None:
    """Train, gather, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', type=Path, default=Path('work_dirs/toyworld_relations'))
    parser.add_argument('--steps', type=int, default=2000)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--images', type=int, default=300, help='of each dataset, for relations')
    args = parser.parse_args()
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict({
        'work_dir': str(args.out), 'randomness.seed': args.seed, 'resume': True,
        'train_cfg.max_iters': args.steps, 'train_cfg.val_interval': args.steps,
        'default_hooks.checkpoint.interval': args.steps // 4,
        'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False})
    runner = Runner.from_cfg(cfg)
    if not (args.out / f'iter_{args.steps}.pth').is_file():
        runner.train()
    load_checkpoint(runner.model, str(args.out / f'iter_{args.steps}.pth'), map_location='cpu')
    truth = true_relations(runner.model.label_space)
    for similarity in SIMILARITIES:
        relations = gather_relations(runner.model, training_images(cfg), similarity,
                                     max_images=args.images)
        relations.to_json(args.out / f'{similarity}.json')
        draw_relations(relations, args.out / f'{similarity}.png')
        print(f'{similarity}: {score(relations)}')
        for found in relations.relations():
            mark = 'true ' if tuple(found[:3]) in truth else 'false'
            print(f'  {mark} {found.dataset}: {found.primary} -> {found.secondary} '
                  f'{found.score:.3f} (own {found.own_score:.3f})')
        for missing in sorted(truth - {tuple(r[:3]) for r in relations.relations()}):
            print('  missing', *missing)


if __name__ == '__main__':
    main()
