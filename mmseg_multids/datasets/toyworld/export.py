"""ToyWorld as ordinary files, and as a picture of all its views."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from .leaves import LEAVES
from .render import render_scene
from .views import leaf_to_class, leaves_of_class, view_named


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'{path.name}.{os.getpid()}.tmp')
    temporary.write_bytes(data)
    os.replace(temporary, path)


def _png(array: np.ndarray) -> bytes:
    return cv2.imencode('.png', array)[1].tobytes()


def write_view(root: str | os.PathLike, view: str, split: str, size: int,
               image_size: tuple[int, int] = (128, 128), seed: int = 0) -> int:
    """Write one split of a view; images that are there already are kept.

    Files: ``<view>/images/<split>/*.png``, ``labels`` (class ids, 255 not labelled), ``leaves``
    (leaf ids), and ``<view>/classes.json``.

    Returns:
        Number of images that were written.
    """
    folder = Path(root) / view
    table = leaf_to_class(view).astype(np.uint8)
    classes = {name: sorted(leaves) for name, leaves in leaves_of_class(view).items()}
    _write(folder / 'classes.json', json.dumps(
        {'name': view, 'classes': list(classes), 'leaves_of_class': classes, 'ignore_index': 255,
         'leaves': list(LEAVES)}, indent=1).encode())
    written = 0
    for index in range(size):
        name = f'{index:06d}.png'
        # The image is written last: where it is, its label map is too.
        path = folder / 'images' / split / name
        if path.exists():
            continue
        image, leaves = render_scene(view, split, seed, index, image_size)
        _write(folder / 'leaves' / split / name, _png(leaves))
        _write(folder / 'labels' / split / name, _png(table[leaves]))
        _write(path, _png(image))
        written += 1
    return written


def draw_sheet(path: str | os.PathLike, views: Sequence[str], columns: int = 3) -> None:
    """Draw samples of each view, their labels and the legend of its classes into one PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    from ...visualization.grid import colour_labels
    from .dataset import ToyWorldDataset

    figure = Figure(figsize=(2.0 * (2 * columns + 2.2), 2.05 * len(views)), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(views), 2 * columns + 1, squeeze=False,
                           width_ratios=[1] * 2 * columns + [2.2])
    for row, view in enumerate(views):
        meta = ToyWorldDataset.metainfo_from_cfg({'view': view_named(view) and view})
        for column in range(columns):
            image, leaves = render_scene(view, 'train', 0, column)
            labels = colour_labels(leaf_to_class(view)[leaves], meta['palette'])
            for axis, picture in zip(axes[row, 2 * column:], (image[..., ::-1], labels)):
                axis.imshow(picture, interpolation='nearest')
                axis.set_xticks([])
                axis.set_yticks([])
        axes[row, 0].set_ylabel(view, fontsize=12)
        axes[row, -1].axis('off')
        axes[row, -1].legend(
            handles=[Patch(color=np.array(c) / 255, label=n)
                     for n, c in zip(meta['classes'], meta['palette'])],
            loc='center left', ncols=3, fontsize=6.5, frameon=False, handlelength=1.0,
            columnspacing=0.8)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'{path.name}.{os.getpid()}.tmp')
    figure.savefig(temporary, format='png', dpi=80)
    os.replace(temporary, path)
