"""Write ToyWorld to disk as ordinary datasets: ``python tools/make_toyworld.py OUT``."""

from __future__ import annotations

import argparse
import sys

from mmseg_multids.datasets.toyworld.disk import draw_sheet, write_view
from mmseg_multids.datasets.toyworld.render import SPLITS
from mmseg_multids.datasets.toyworld.views import VIEWS


class _Progress:
    """Counts on a terminal; in a file it would only be noise."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.visible = what, total, sys.stderr.isatty()

    def __call__(self, done: int) -> None:
        if self.visible and (done % 50 == 0 or done == self.total):
            end = '\n' if done == self.total else ''
            print(f'\r{self.what}: {done}/{self.total}', end=end, file=sys.stderr, flush=True)


def main() -> None:
    """Write the views, or the picture sheet."""
    parser = argparse.ArgumentParser(description='Write ToyWorld to disk as ordinary datasets')
    parser.add_argument('out', help='folder to write into; with --sheet the PNG file')
    parser.add_argument('--views', nargs='+', choices=list(VIEWS), default=list(VIEWS))
    parser.add_argument('--splits', nargs='+', choices=SPLITS, default=['train', 'val'])
    parser.add_argument('--sizes', type=int, nargs='+', default=[500],
                        help='images per view: one number for all splits, or one for each')
    parser.add_argument('--image-size', type=int, nargs=2, default=(128, 128),
                        metavar=('HEIGHT', 'WIDTH'))
    parser.add_argument('--seed', type=int, default=0, help='seed of the world')
    parser.add_argument('--sheet', action='store_true',
                        help='draw a picture of all views and their classes instead')
    args = parser.parse_args()
    if args.sheet:
        draw_sheet(args.out, args.views)
        print(f'picture: {args.out}')
        return
    sizes = args.sizes * len(args.splits) if len(args.sizes) == 1 else args.sizes
    if len(sizes) != len(args.splits) or min(*sizes, *args.image_size) < 1:
        parser.error(f'--sizes {args.sizes} and --image-size {args.image_size}: one size, or one '
                     f'for each of the splits {args.splits}, all at least 1')
    for view in args.views:
        for split, size in zip(args.splits, sizes):
            try:
                written = write_view(args.out, view, split, size, tuple(args.image_size),
                                     args.seed, _Progress(f'{view}/{split}', size))
            except ValueError as error:
                sys.exit(f'make_toyworld: {error}')
            print(f'{args.out}/{view}: {split} has {size} images ({written} new)')


if __name__ == '__main__':
    main()
