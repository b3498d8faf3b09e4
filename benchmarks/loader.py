"""Samples per second: ``MultiDataset`` against the bare MMSegmentation dataset.

Both read the same files through the same augmentations; the bare one loads labels as MMSegmentation
does. Blocks of samples alternate in one process. Printed: the median ratio of the pairs
and a bootstrap interval.

    python benchmarks/loader.py
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from mmengine.registry import init_default_scope

from mmseg_multids.datasets import MultiDataset, MultiDatasetSampler
from mmseg_multids.registry import DATASETS

COMMON = [
    {'type': 'RandomResize', 'scale': (320, 240), 'ratio_range': (0.75, 1.75), 'keep_ratio': True},
    {'type': 'RandomCrop', 'crop_size': (160, 224), 'cat_max_ratio': 0.9},
    {'type': 'RandomFlip', 'prob': 0.5},
    {'type': 'PhotoMetricDistortion'},
    {'type': 'PackSegInputs'},
]


def pipeline(labels: str) -> list:
    """Return the pipeline with one way of loading labels."""
    return [{'type': 'LoadImageFromFile'}, {'type': labels}, *COMMON]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--pairs', type=int, default=60)
    parser.add_argument('--block', type=int, default=30, help='samples per measurement')
    parser.add_argument('--data-root', default='camvid11')
    args = parser.parse_args()
    init_default_scope('mmseg')
    entry = {'name': 'camvid11', 'type': 'CamVid11Dataset', 'data_root': args.data_root,
             'data_prefix': {'img_path': 'images/train', 'seg_map_path': 'labels/train'}}
    ours = MultiDataset([entry], pipeline=pipeline('LoadLabelMap'))
    bare = DATASETS.build({**{k: v for k, v in entry.items() if k != 'name'},
                           'data_root': ours.datasets['camvid11'].data_root,
                           'pipeline': pipeline('LoadAnnotations')})
    requests = iter(MultiDatasetSampler(ours, seed=0, plan={'type': 'concat'}))
    ratios, rates = [], []
    for pair in range(args.pairs + 2):
        block = [next(requests) for _ in range(args.block)]
        # The same images, each dataset in the way that a loader asks it.
        ways = {'ours': (ours, block), 'bare': (bare, [request.index for request in block])}
        seconds = {}
        for name in (('ours', 'bare') if pair % 2 else ('bare', 'ours')):
            dataset, items = ways[name]
            start = time.perf_counter()
            for item in items:
                _ = dataset[item]
            seconds[name] = time.perf_counter() - start
        if pair >= 2:  # the first ones read the files
            ratios.append(seconds['bare'] / seconds['ours'])
            rates.append(args.block / seconds['ours'])
    ratios = np.array(ratios)
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(ratios, (2000, len(ratios))), axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    print(f'{np.median(rates):.0f} samples per second; samples per second relative to the bare '
          f'dataset: {np.median(ratios):.4f} (95 % interval {low:.4f} to {high:.4f})')


if __name__ == '__main__':
    main()
