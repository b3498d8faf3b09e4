"""Find the objects of each class for centroid sampling: ``python tools/build_centroids.py``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from mmengine.config import DictAction

from mmseg_multids.apis.build_centroids import build_centroids, format_centroids, labelled_images
from mmseg_multids.apis.trained import read_config
from mmseg_multids.functional.centroids import CONNECTIVITIES, POINTS


def main(argv: list[str] | None = None) -> None:
    """Find, print and write."""
    parser = argparse.ArgumentParser(
        description='Find the connected components of each class in the label maps of a config\'s '
        'datasets, as training reads them, and write one point of each into one file per dataset '
        '(centroid sampling, Zhu et al., section 3.2)')
    parser.add_argument('config', help='config file')
    parser.add_argument('--dataset', nargs='+', metavar='NAME',
                        help='datasets (default: all with labels)')
    parser.add_argument('--split', default='train', help='split of the datasets (default: train)')
    parser.add_argument('--out', metavar='FILE', help='file of the index, for one dataset '
                        '(default: centroids/NAME_SPLIT.npz)')
    parser.add_argument('--min-area', type=int, default=1, metavar='N',
                        help='leave out objects of fewer pixels (default: 1)')
    parser.add_argument('--connectivity', type=int, choices=CONNECTIVITIES, default=8,
                        help='pixels touch at 4 sides, or also at corners (default: 8)')
    parser.add_argument('--point', choices=POINTS, default='inside', help="'inside': the object's "
                        "pixel nearest to its mean (default); 'mean': the paper's mean, which may "
                        'be beside the object')
    parser.add_argument('--workers', type=int, metavar='N',
                        help='processes (default: as many as there are CPUs)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override keys of the config')
    args = parser.parse_args(argv)
    workers = (os.cpu_count() or 1) if args.workers is None else args.workers
    try:
        if workers < 0:
            raise ValueError(f'--workers {workers}: a number from 0 is needed')
        cfg = read_config(args.config)
        cfg.merge_from_dict(dict(args.cfg_options or {}))
        images = labelled_images(cfg, args.split, args.dataset)
        names = [name for name in images.names if name not in images.unlabelled]
        if args.out is not None and len(names) > 1:
            raise ValueError(f'--out names one file, but there are {len(names)} datasets '
                             f'({", ".join(names)}); choose one with --dataset, or leave --out '
                             'out: each gets centroids/NAME_SPLIT.npz')
        for name in names:
            index = build_centroids(images, name, args.split, args.min_area, args.connectivity,
                                    args.point, workers, lambda text: print(text, flush=True))
            out = args.out or Path('centroids') / f'{name}_{args.split}.npz'
            index.save(out)
            print(format_centroids(index))
            print(f'centroids: {out} (hash {index.hash[:16]})', flush=True)
    except (OSError, ValueError) as error:
        sys.exit(f'build_centroids: {error}')


if __name__ == '__main__':
    main()
