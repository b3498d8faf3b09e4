"""Draw IoU per class of several runs: ``python tools/plot_class_iou.py RUN RUN --out FILE``."""

from __future__ import annotations

import argparse

from mmseg_multids.visualization import class_iou


def main(argv: list[str] | None = None) -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(
        description='Draw the IoU of each class, a panel per dataset and a bar per run (CDCL, '
        'Figure 4). Classes whose name another dataset of the runs has, too, are boxed in red.')
    parser.add_argument('runs', nargs='+', metavar='RUN', help='LABEL=PATH or PATH: a work dir '
                        "with a report, the report's scores.json, or an out_file of "
                        'MultiDatasetIoUMetric; runs of the same LABEL are joined')
    parser.add_argument('--out', metavar='FILE', required=True,
                        help='picture to write (.png, .pdf, .svg)')
    parser.add_argument('--dataset', nargs='+', metavar='NAME',
                        help='datasets to draw (default: all)')
    args = parser.parse_args(argv)
    try:
        class_iou.draw_class_iou(class_iou.collect(class_iou.load_runs(args.runs), args.dataset),
                                 args.out)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    print(f'picture: {args.out}')


if __name__ == '__main__':
    main()
