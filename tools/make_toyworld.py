"""Write ToyWorld to disk as ordinary datasets: ``python tools/make_toyworld.py OUT``."""

from __future__ import annotations

import argparse

from mmseg_multids.datasets.toyworld.export import draw_sheet, write_view
from mmseg_multids.datasets.toyworld.render import SPLITS
from mmseg_multids.datasets.toyworld.views import VIEWS


def main() -> None:
    """Write the views, or the picture sheet."""
    parser = argparse.ArgumentParser(description='Write ToyWorld to disk as ordinary datasets')
    parser.add_argument('out', help='folder to write into; with --sheet the PNG file')
    parser.add_argument('--views', nargs='+', choices=list(VIEWS), default=list(VIEWS))
    parser.add_argument('--splits', nargs='+', choices=SPLITS, default=['train', 'val'])
    parser.add_argument('--size', type=int, default=500, help='images per view and split')
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
    for view in args.views:
        for split in args.splits:
            written = write_view(args.out, view, split, args.size, tuple(args.image_size),
                                 args.seed)
            print(f'{args.out}/{view}: {split} has {args.size} images ({written} new)')


if __name__ == '__main__':
    main()
