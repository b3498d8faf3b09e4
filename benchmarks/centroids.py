"""Finding one point of each object: one pass against one per class, decoding included.

Label maps are read from PNG files. ``find_objects`` (the point is on the object), OpenCV's
``connectedComponentsWithStats`` of each class, and ``scipy.ndimage.label`` with ``center_of_mass``
of each class (their means may be beside it) alternate in one process, with one thread each.
Printed: times, the median ratio of the pairs and a bootstrap interval, images per second of the
whole job in one process, and how long an index of 43,000 images takes to load.

    python benchmarks/centroids.py --pairs 10
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from mmengine.registry import init_default_scope
from scipy import ndimage
from train_step import interval

from mmseg_multids.apis.build_centroids import build_centroids
from mmseg_multids.datasets import LoadLabelMap, MultiDataset
from mmseg_multids.datasets.centroids import CentroidIndex, ImageObjects
from mmseg_multids.functional.centroids import find_objects

LOAD = LoadLabelMap()


def draw(rng: np.random.Generator, size: tuple[int, int], classes: int,
         detail: float) -> np.ndarray:
    """Draw a label map: the largest of smooth random fields, one per class; a band is ignored."""
    height, width = size
    fields = [sum(weight * cv2.resize(rng.random((height // cell, width // cell), np.float32),
                                      (width, height), interpolation=cv2.INTER_CUBIC)
                  for weight, cell in ((1.0, 64), (detail, 8))) for _ in range(classes)]
    labels = np.argmax(fields, axis=0).astype(np.uint8)
    labels[-height // 16:] = 255
    return labels


def ours(path: str, classes: int) -> int:
    """Number of objects, by this package."""
    return len(find_objects(LOAD({'seg_map_path': path})['gt_seg_map']).areas)


def with_opencv(path: str, classes: int) -> int:
    """The same by OpenCV, class by class."""
    labels = LOAD({'seg_map_path': path})['gt_seg_map']
    return sum(cv2.connectedComponentsWithStats((labels == k).view(np.uint8), connectivity=8)[0] - 1
               for k in range(classes))


def with_scipy(path: str, classes: int) -> int:
    """The same by SciPy, class by class."""
    labels = LOAD({'seg_map_path': path})['gt_seg_map']
    total = 0
    for k in range(classes):
        mask = labels == k
        numbers, count = ndimage.label(mask, np.ones((3, 3)))
        ndimage.center_of_mass(mask, numbers, range(1, count + 1))
        total += count
    return total


def timed(function: Callable, *args) -> float:
    """Seconds of a call."""
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def compare(paths: list[str], classes: int, pairs: int) -> None:
    """Alternate, and print the ratios."""
    ways = {'find_objects': ours, 'OpenCV': with_opencv, 'SciPy': with_scipy}
    counts = {name: [way(path, classes) for path in paths] for name, way in ways.items()}
    assert counts['find_objects'] == counts['OpenCV'] == counts['SciPy']
    seconds = {name: [] for name in ways}
    for i in range(pairs):
        names = list(ways)[::1 if i % 2 else -1]
        for name in names:
            seconds[name].append(timed(ways[name], paths[i % len(paths)], classes))
    print(f'{len(paths)} label maps with {np.mean(counts["find_objects"]):.0f} objects each; '
          f'reading alone {1000 * min(timed(LOAD, {"seg_map_path": p}) for p in paths):.1f} ms')
    own = np.array(seconds['find_objects'])
    print(f'find_objects {1000 * np.median(own):.1f} ms')
    for name in ('OpenCV', 'SciPy'):
        ratios = np.array(seconds[name]) / own
        low, high = interval(ratios)
        print(f'{name} {1000 * np.median(seconds[name]):.1f} ms, {np.median(ratios):.1f} times as '
              f'long (95 % interval {low:.1f} to {high:.1f})')


def whole_job(folder: Path, classes: int) -> None:
    """Print images per second of everything that the tool does, in one process."""
    images = MultiDataset([{
        'name': 'maps', 'type': 'BaseSegDataset', 'data_root': str(folder), 'img_suffix': '.png',
        'data_prefix': {'img_path': '', 'seg_map_path': ''},
        'metainfo': {'classes': [f'c{k}' for k in range(classes)]}}],
        pipeline=[{'type': 'LoadLabelMap'}])
    count = len(images)
    print(f'whole job: {count / timed(build_centroids, images, "maps"):.1f} images/s and core')


def loading(folder: Path, num_images: int, per_image: int, classes: int) -> None:
    """Print how long a large index takes to load and to draw from."""
    rng = np.random.default_rng(0)
    index = CentroidIndex('maps', 'train', [f'c{k}' for k in range(classes)], [
        ImageObjects(f'city/city_{i:06d}_000019_leftImg8bit', rng.integers(0, classes, per_image),
                     rng.integers(0, 1024, (per_image, 2)), i) for i in range(num_images)])
    file = folder / 'index.npz'
    index.save(file)
    load = min(timed(CentroidIndex.load, file) for _ in range(3))
    drawing = timed(lambda: [index.sample_uniform(i, 0) for i in range(10000)]) / 10000
    print(f'index of {num_images} images, {len(index)} objects: {file.stat().st_size / 1e6:.1f} MB,'
          f' loaded in {load:.2f} s, {1e6 * drawing:.0f} microseconds per draw')


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--pairs', type=int, default=10)
    parser.add_argument('--maps', type=int, default=4, help='different label maps')
    parser.add_argument('--size', type=int, nargs=2, default=(1024, 2048))
    parser.add_argument('--classes', type=int, default=19)
    parser.add_argument('--detail', type=float, default=0.25, help='more: more and smaller objects')
    args = parser.parse_args()
    init_default_scope('mmseg')
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        maps = Path(folder) / 'maps'
        maps.mkdir()
        for i in range(args.maps):
            cv2.imwrite(str(maps / f'{i}.png'), draw(rng, args.size, args.classes, args.detail))
        compare(sorted(map(str, maps.iterdir())), args.classes, args.pairs)
        for path in list(maps.iterdir()):  # so many that it does not matter how it begins
            for i in range(6):
                path.with_name(f'{path.stem}_{i}.png').symlink_to(path)
        whole_job(maps, args.classes)
        loading(Path(folder), 43000, 30, args.classes)


if __name__ == '__main__':
    main()
