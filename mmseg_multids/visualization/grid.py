"""A grid of images, labels and predictions with a legend per dataset."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..label_spaces import LabelSpace
from .figures import save_figure


class GridRow(NamedTuple):
    """One image: [H, W, 3] uint8 RGB; labels and prediction [H, W]."""

    image: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray


def colour_labels(labels: np.ndarray, palette: Sequence[Sequence[int]],
                  other: Sequence[int] = (0, 0, 0)) -> np.ndarray:
    """Colour a label map.

    Args:
        labels: Ids. Shape [H, W].
        palette: An RGB colour per class.
        other: Colour of ids that are no class, such as 255.

    Returns:
        RGB image. Shape [H, W, 3], uint8.
    """
    colours = np.array([*palette, other], dtype=np.uint8)
    labels = np.asarray(labels).astype(np.int64)
    outside = (labels < 0) | (labels >= len(palette))
    return colours[np.where(outside, len(palette), labels)]


def draw_grid(rows: Mapping[str, Sequence[GridRow]], spaces: Mapping[str, LabelSpace],
              path: str | os.PathLike) -> None:
    """Draw images, ground truth and predictions of several datasets into one picture.

    Each dataset takes as many rows as it has images; to their right is the legend of the classes
    that occur. Pixels without a label are black.

    Args:
        rows: Images by dataset.
        spaces: Label spaces by dataset.
        path: PNG file to write; replaced only by a complete one.
    """
    # Imported here: figures are drawn once in a run, and pyplot's backend is not ours to choose.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    entries = [(name, row) for name, dataset_rows in rows.items() for row in dataset_rows]
    figure = Figure(figsize=(9.6, 2.1 * len(entries)), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(entries), 4, squeeze=False, width_ratios=(1, 1, 1, 1.25))
    for line, (name, row) in enumerate(entries):
        space = spaces[name]
        pictures = (row.image, colour_labels(row.labels, space.palette),
                    colour_labels(row.predicted, space.palette))
        for axis, picture, title in zip(axes[line], pictures, ('image', 'ground truth',
                                                               'prediction')):
            axis.imshow(picture, interpolation='nearest')
            axis.set_xticks([])
            axis.set_yticks([])
            if line == 0:
                axis.set_title(title, fontsize=10)
        axes[line, 0].set_ylabel(name, fontsize=10)
        axes[line, 3].axis('off')
        present = [c for c in range(space.num_classes)
                   if (row.labels == c).any() or (row.predicted == c).mean() > 0.002]
        axes[line, 3].legend(
            handles=[Patch(color=np.array(space.palette[c]) / 255, label=space.classes[c])
                     for c in present],
            loc='center left', ncols=2, fontsize=5.5, frameon=False, handlelength=1.0,
            borderaxespad=0, columnspacing=0.8)
    save_figure(figure, path)
