"""Pseudo labels beside their images."""

from __future__ import annotations

import os
from collections.abc import Sequence

import cv2
import numpy as np

from .grid import colour_labels

#: Longest side of a picture, in pixels.
_LONGEST = 480
#: Classes in the legend; those with most pixels.
_LISTED = 48


def draw_pseudo_labels(pairs: Sequence[tuple[str, str | os.PathLike]], classes: Sequence[str],
                       palette: Sequence[Sequence[int]], path: str | os.PathLike) -> None:
    """Draw images, each with its labels to the right, and a legend of the classes that occur.

    Pixels without a label are black.

    Args:
        pairs: Files of an image and its label map.
        classes: Names of the classes.
        palette: Their colours.
        path: PNG file to write.
    """
    # Imported here: figures are drawn once in a run, and pyplot's backend is not ours to choose.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    pixels = np.zeros(len(classes), np.int64)
    pictures = []
    for image_file, label_file in pairs:
        labels = cv2.imread(str(label_file), cv2.IMREAD_UNCHANGED)
        image = cv2.imread(str(image_file), cv2.IMREAD_COLOR)
        if image is None:  # of a kind that only the pipeline's loader knows
            image = np.zeros((*labels.shape, 3), np.uint8)
        pixels += np.bincount(labels[labels < len(classes)], minlength=len(classes))
        scale = min(1.0, _LONGEST / max(labels.shape))
        size = [max(1, round(side * scale)) for side in labels.shape[::-1]]
        pictures += [cv2.resize(image, size, interpolation=cv2.INTER_AREA)[..., ::-1],
                     colour_labels(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST),
                                   palette)]
    order = [int(c) for c in np.argsort(-pixels, kind='stable') if pixels[c]]
    columns = min(3, len(pairs))
    rows = -(-len(pairs) // columns)
    # The widest picture decides: heights follow its shape.
    ratio = float(np.median([p.shape[0] / p.shape[1] for p in pictures]))
    legend_columns = 2 * columns
    legend_rows = -(-min(len(order), _LISTED) // legend_columns) + (len(order) > _LISTED)
    heights = [2.1 * ratio] * rows + [0.22 * legend_rows + 0.15]
    figure = Figure(figsize=(4.2 * columns, sum(heights) + 0.1 * rows), layout='constrained')
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(rows + 1, 2 * columns, height_ratios=heights)
    for i, picture in enumerate(pictures):
        axis = figure.add_subplot(grid[i // (2 * columns), i % (2 * columns)])
        axis.imshow(picture, interpolation='nearest')
        axis.axis('off')
    axis = figure.add_subplot(grid[rows, :])
    axis.axis('off')
    handles = [Patch(facecolor=np.array(palette[c]) / 255, edgecolor='0.6', linewidth=0.5,
                     label=classes[c]) for c in order[:_LISTED]]
    if len(order) > _LISTED:
        handles.append(Patch(color='none', label=f'and {len(order) - _LISTED} more'))
    axis.legend(handles=handles, loc='upper center', ncols=legend_columns, fontsize=8,
                frameon=False, handlelength=1.0, borderaxespad=0)
    figure.savefig(path, format='png', dpi=90)
