"""Choose few labelled images of a dataset: ``python tools/few_shot.py``."""

from __future__ import annotations

import argparse
import os
import sys

from mmengine.config import DictAction

from mmseg_multids.apis.few_shot import (
    choose_fraction,
    choose_shots,
    classes_shown,
    format_shots,
    read_fraction,
    whole_split,
)
from mmseg_multids.apis.trained import read_config
from mmseg_multids.datasets.label_maps import LabelMaps
from mmseg_multids.datasets.subsets import write_subset


def main(argv: list[str] | None = None) -> None:
    """Choose, print and write."""
    parser = argparse.ArgumentParser(
        description='Choose some images for each class of a dataset, or a random share of them, '
        'and write their names into a file that `subset` of the dataset\'s entry takes (Zhu et '
        'al., section 4.5)')
    parser.add_argument('config', help='config file with the dataset among those it trains on')
    parser.add_argument('--dataset', required=True, metavar='NAME', help='dataset')
    parser.add_argument('--split', default='train', help='split of the dataset (default: train)')
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument('--shots', type=int, metavar='N',
                     help='so many images for each class that has as many')
    how.add_argument('--fraction', metavar='SHARE',
                     help='a random share of the images, such as 1/10; smaller ones with the same '
                     'seed are parts of larger ones')
    parser.add_argument('--seed', type=int, default=0, help='seed of the choice (default: 0)')
    parser.add_argument('--out', required=True, metavar='FILE', help='file to write')
    parser.add_argument('--workers', type=int, metavar='N',
                        help='processes that read label maps (default: as many as there are CPUs)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override keys of the config')
    args = parser.parse_args(argv)
    workers = (os.cpu_count() or 1) if args.workers is None else args.workers
    try:
        if workers < 0:
            raise ValueError(f'--workers {workers}: a number from 0 is needed')
        if args.shots is not None and args.shots < 1:
            raise ValueError(f'--shots {args.shots}: a number from 1 is needed')
        share = None if args.fraction is None else read_fraction(args.fraction)
        cfg = read_config(args.config)
        cfg.merge_from_dict(dict(args.cfg_options or {}))
        maps = LabelMaps(whole_split(cfg, args.dataset, args.split), args.dataset)
        if share is not None:
            images, about = choose_fraction(len(maps), share, args.seed), {'fraction': str(share)}
        else:
            found = choose_shots(classes_shown(maps, workers, lambda text: print(text, flush=True)),
                                 args.shots, args.seed)
            images, about = found.images, {'shots': args.shots}
            print(format_shots(args.dataset, maps.classes, found, args.shots))
        write_subset(args.out, args.dataset, args.split, [maps.name(i) for i in images],
                     of=len(maps), **about, seed=args.seed)
        print(f'{len(images)} of {len(maps)} images of {args.dataset}: {args.out}', flush=True)
    except (OSError, ValueError) as error:
        sys.exit(f'few_shot: {error}')


if __name__ == '__main__':
    main()
