"""Images of ToyWorld per second and core, for every view: ``python benchmarks/toyworld.py``."""

from __future__ import annotations

import argparse
import time

import cv2
import numpy as np

from mmseg_multids.datasets.toyworld import VIEWS, leaf_to_class, render_scene


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=int, default=300, help='images per view and round')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--image-size', type=int, nargs=2, default=(128, 128))
    args = parser.parse_args()
    cv2.setNumThreads(1)
    rates = {view: [] for view in VIEWS}
    for round_ in range(args.rounds):  # views take turns, so a slow moment hits them alike
        for view in VIEWS:
            table = leaf_to_class(view)
            start = time.process_time()
            for i in range(args.images):
                _ = table[render_scene(view, 'train', round_, i, tuple(args.image_size))[1]]
            rates[view].append(args.images / (time.process_time() - start))
    for view, values in rates.items():
        print(f'{view:8} {np.median(values):6.0f} images of {args.image_size[0]}x'
              f'{args.image_size[1]} per second of one core, labels included')


if __name__ == '__main__':
    main()
