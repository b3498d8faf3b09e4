"""Compare runs and their seeds: ``python tools/compare_runs.py NAME=DIR,DIR NAME=DIR``."""

from __future__ import annotations

import argparse

from mmseg_multids.apis.compare_runs import compare_runs, load_groups
from mmseg_multids.apis.compare_tables import format_comparison, write_comparison


def main(argv: list[str] | None = None) -> None:
    """Print the tables and write them with the picture."""
    parser = argparse.ArgumentParser(
        description='Compare runs: mIoU of each dataset, mean IoU of the most frequent and of the '
        'rarest classes (MDP, Table 7), and mIoU against training iterations (MDP, Figure 3).')
    parser.add_argument('runs', nargs='+', metavar='RUN', help='NAME=DIR[,DIR...] or DIR: work '
                        'dirs; those of one NAME are the seeds of one variant')
    parser.add_argument('--out', metavar='DIR', help='folder for compare.md, compare.json and '
                        'compare.png')
    parser.add_argument('--head', type=float, default=0.05, metavar='SHARE', help='share of the '
                        'classes that are head classes, at least one (default: %(default)s)')
    parser.add_argument('--tail', type=float, default=0.05, metavar='SHARE',
                        help='share that are tail classes (default: %(default)s)')
    parser.add_argument('--dataset', nargs='+', metavar='NAME',
                        help='datasets to compare on (default: all that every RUN has)')
    args = parser.parse_args(argv)
    try:
        comparison = compare_runs(load_groups(args.runs), args.head, args.tail, args.dataset)
        print(format_comparison(comparison))
        if args.out:
            for file in write_comparison(comparison, args.out):
                print(f'written: {file}')
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))


if __name__ == '__main__':
    main()
