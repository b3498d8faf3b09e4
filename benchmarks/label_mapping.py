"""Time of AutoUniSeg's two solvers on an instance of the size of the paper's seven datasets.

A seeded world of concepts: datasets name some of them, heads find classes of their own concept with
some IoU and others by mistake. Printed are the integer program (Eq. 10) and one unbalanced
transport with repair of all datasets (Algorithm 2).

    python benchmarks/label_mapping.py
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from mmseg_multids.label_spaces import LabelSpace
from mmseg_multids.label_spaces.merging import best_merges, candidate_merges, merge_costs
from mmseg_multids.label_spaces.transport import solve_mapping

#: Cityscapes, Mapillary, SUN RGB-D, BDD100K, IDD, ADE20K, COCO.
SIZES = (19, 65, 37, 19, 26, 150, 133)


#: mIoU of each dataset's own head (AutoUniSeg, Table 8), in the order of SIZES.
PAPER_IOU = (0.795, 0.361, 0.473, 0.656, 0.670, 0.305, 0.367)


def instance(seed: int, concepts: int,
             hard: bool = False) -> tuple[list[LabelSpace], dict, list[np.ndarray]]:
    """Return label spaces, cross-head IoU and the concept of each class."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, concepts + 1) ** 0.5  # some concepts are in most datasets
    of_class = [rng.choice(concepts, size, replace=False, p=weights / weights.sum())
                for size in SIZES]
    spaces = [LabelSpace(f'd{i}', [f'c{c}' for c in of]) for i, of in enumerate(of_class)]
    cross = {}
    own = [rng.beta(3 * iou, 3 * (1 - iou), size) if hard else rng.beta(4, 3, size)
           for size, iou in zip(SIZES, PAPER_IOU)]
    for i, a in enumerate(spaces):
        for j, b in enumerate(spaces):
            same = of_class[i][:, None] == of_class[j]
            wrong = rng.beta(0.3, 12, same.shape) * own[i][:, None]
            right = own[i][:, None] * rng.uniform(0.75, 1.05, same.shape)
            cross[a.name, b.name] = np.clip(np.where(same, right, wrong), 0, 1)
        cross[a.name, a.name] = np.diag(own[i])
    return spaces, cross, of_class


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--concepts', type=int, default=260)
    parser.add_argument('--hard', action='store_true', help='IoU of own heads as low as in the '
                        "paper's Table 8")
    args = parser.parse_args()
    spaces, cross, of_class = instance(args.seed, args.concepts, args.hard)
    dataset_of = np.repeat(np.arange(len(spaces)), SIZES)
    named = len(np.unique(np.concatenate(of_class)))
    for cost in ('absolute', 'relative'):
        costs = merge_costs(cross, spaces, cost)
        start = time.perf_counter()
        candidates = candidate_merges(costs, dataset_of, 0.5)
        middle = time.perf_counter()
        merges = best_merges(costs, dataset_of, 0.5)
        print(f'{cost}: {len(dataset_of)} classes of {named} concepts become {len(merges)} nodes; '
              f'{len(candidates)} candidates, {middle - start:.2f} s; all of it '
              f'{time.perf_counter() - middle:.2f} s', flush=True)
    rng = np.random.default_rng(args.seed)
    solve_mapping(np.eye(2))  # imports POT
    start = time.perf_counter()
    for size in SIZES:
        scores = rng.dirichlet(np.full(size, 0.1), len(merges)).T  # softmax over the classes
        solve_mapping(scores)
    print(f'transport and repair of all datasets, {len(merges)} nodes: '
          f'{time.perf_counter() - start:.2f} s')


if __name__ == '__main__':
    main()
