"""ToyWorld as ordinary files, and as a picture of all its views."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from ...files import replacing
from .leaves import LEAVES
from .render import is_negative, render_scene
from .views import IGNORE_INDEX, leaf_to_class, leaves_of_class, view_named


def _write(path: Path, data: bytes) -> None:
    with replacing(path) as file:
        file.write_bytes(data)


def _png(array: np.ndarray) -> bytes:
    return cv2.imencode('.png', array)[1].tobytes()


def _write_classes(path: Path, view: str, image_size: tuple[int, int], seed: int) -> None:
    """Write a view's ``classes.json``, or check that the one that is there fits."""
    classes = {name: sorted(leaves) for name, leaves in leaves_of_class(view).items()}
    content = {'name': view, 'classes': list(classes), 'leaves_of_class': classes,
               'ignore_index': IGNORE_INDEX, 'leaves': list(LEAVES),
               'image_size': list(image_size), 'seed': seed}
    if path.exists():
        try:
            present = json.loads(path.read_text(encoding='utf-8'))
            differing = [key for key in content if present.get(key) != content[key]]
        except (ValueError, AttributeError) as error:
            raise ValueError(f'{path} cannot be read ({error}); delete it or write into another '
                             'folder') from error
        if differing:
            raise ValueError(
                f'{path} belongs to a ToyWorld with another {differing[0]} '
                f'({present.get(differing[0])!r}, asked for {content[differing[0]]!r}); write into '
                'another folder')
        return
    _write(path, json.dumps(content, indent=1).encode())


def write_view(root: str | os.PathLike, view: str, split: str, size: int,
               image_size: tuple[int, int] = (128, 128), seed: int = 0,
               progress: Callable[[int], None] | None = None) -> int:
    """Write one split of a view; images that are there already are kept.

    Files: ``<view>/images/<split>/*.png``, ``labels`` (class ids, 255 not labelled), ``leaves``
    (leaf ids), and ``<view>/classes.json``; where a view has scenes that are no street, also
    ``negatives/<split>.txt``, a list for ``negatives`` of a dataset entry. A file appears only when
    it is complete, so an interrupted run goes on where it stopped.

    Args:
        root: Folder of all views.
        view: Name of the view.
        split: ``'train'``, ``'val'`` or ``'test'``.
        size: Number of images.
        image_size: Height and width in pixels.
        seed: Seed of the world.
        progress: Called with the number of images that are there, after each one.

    Returns:
        Number of images that were written.

    Raises:
        ValueError: The folder holds the view with another seed, image size or classes.
    """
    folder = Path(root) / view
    table = leaf_to_class(view).astype(np.uint8)
    _write_classes(folder / 'classes.json', view, image_size, seed)
    written = 0
    for index in range(size):
        name = f'{index:06d}.png'
        # The image is written last: where it is, its label map is too.
        path = folder / 'images' / split / name
        if not path.exists():
            image, leaves = render_scene(view, split, seed, index, image_size)
            _write(folder / 'leaves' / split / name, _png(leaves))
            _write(folder / 'labels' / split / name, _png(table[leaves]))
            _write(path, _png(image))
            written += 1
        if progress:
            progress(index + 1)
    if view_named(view).domain.negatives:
        # Of all that are there, which may be more than were asked for.
        names = sorted(file.stem for file in (folder / 'images' / split).glob('*.png'))
        negatives = [name for name in names if is_negative(view, split, seed, int(name))]
        _write(folder / 'negatives' / f'{split}.txt', '\n'.join([*negatives, '']).encode())
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
        meta = ToyWorldDataset.metainfo_from_cfg({'view': view})
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
            handles=[Patch(facecolor=np.array(c) / 255, edgecolor='0.6', linewidth=0.5, label=n)
                     for n, c in zip(meta['classes'], meta['palette'])],
            loc='center left', ncols=3, fontsize=6.5, frameon=False, handlelength=1.0,
            columnspacing=0.8)
    with replacing(path) as file:
        figure.savefig(file, format='png', dpi=80)
