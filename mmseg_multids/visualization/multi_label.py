"""Pictures of multi-label predictions, after UniSeg, Figure 4."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from ..models.segmentors.multi_label import MultiLabelPrediction
from .figures import save_figure
from .grid import colour_labels

#: Classes of less than this share of an image are not in its legend.
_LEAST_SHARE = 0.002
# In inches: width of a panel, least height of a row, height of a line of a legend.
_WIDTH, _LEAST_HEIGHT, _LINE = 2.6, 1.9, 0.155


def colour_scores(nodes: np.ndarray, scores: np.ndarray,
                  palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Colour a map of nodes by their scores: black at 0, the node's colour at 1.

    Args:
        nodes: Ids of nodes, -1 for none. Shape [H, W].
        scores: From 0 to 1. Shape [H, W].
        palette: An RGB colour per node.

    Returns:
        RGB image. Shape [H, W, 3], uint8.
    """
    colours = colour_labels(nodes, palette)
    return np.rint(colours * scores.clip(0, 1)[..., None]).astype(np.uint8)


def draw_multi_label(rows: Sequence[tuple[np.ndarray, MultiLabelPrediction]],
                     path: str | os.PathLike) -> None:
    """Draw one row per image: image, own classes, scores of the others, and both combined.

    A node has one colour in all panels, that of the legends to the right; the second legend has the
    classes of other datasets.

    Args:
        rows: Images, [H, W, 3] uint8 RGB, and their predictions.
        path: PNG file to write; replaced only by a complete one.

    Raises:
        ValueError: No rows; an image and its prediction differ in size.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not rows:
        raise ValueError(f'{path}: there is no image to draw')
    for image, result in rows:
        if image.shape[:2] != result.combined.shape:
            raise ValueError(f'the image is {image.shape[:2]}, its prediction '
                             f'{result.combined.shape}')
    heights = [max(_LEAST_HEIGHT, _WIDTH * image.shape[0] / image.shape[1]) for image, _ in rows]
    titles = [('image', f'classes of {result.dataset}', 'score of the best other class',
               f'others above {result.threshold:g} replace') for _, result in rows]
    figure = Figure(figsize=(5.4 * _WIDTH, sum(heights) + 0.3 * len(set(titles))),
                    layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), 5, squeeze=False, width_ratios=(1, 1, 1, 1, 1.4),
                           height_ratios=heights)
    for i, (image, result) in enumerate(rows):
        pictures = (image, colour_labels(result.own_node, result.palette),
                    colour_scores(result.other, result.other_score, result.palette),
                    colour_labels(result.combined, result.palette))
        for axis, title, picture in zip(axes[i], titles[i], pictures):
            axis.imshow(picture, interpolation='nearest')
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_anchor('N')
            if i == 0 or titles[i] != titles[i - 1]:
                axis.set_title(title, fontsize=10)
        _draw_legends(axes[i, 4], result, most=int(heights[i] / _LINE) - 3)
    save_figure(figure, path)


def _draw_legends(axis, result: MultiLabelPrediction, most: int) -> None:
    from matplotlib.legend import Legend

    axis.axis('off')
    # What is faint in the panel of scores needs no name.
    visible = result.other[result.other_score > min(0.3, result.threshold)]
    for nodes, title, place in ((result.own_node, result.dataset, 0.0),
                                (visible, 'other datasets', 0.5)):
        patches = _patches(nodes, result, most)
        axis.add_artist(Legend(
            axis, patches, [patch.get_label() for patch in patches], title=title,
            loc='upper left', bbox_to_anchor=(place, 1.0), fontsize=7.5, title_fontsize=8.5,
            alignment='left', frameon=False, handlelength=1.2, borderaxespad=0))


def _patches(nodes: np.ndarray, result: MultiLabelPrediction, most: int) -> list:
    """Patches of the nodes that are seen most, by id."""
    from matplotlib.patches import Patch

    found, counts = np.unique(nodes[nodes >= 0], return_counts=True)
    large = counts >= _LEAST_SHARE * result.combined.size
    found, counts = found[large], counts[large]
    chosen = np.sort(found[np.argsort(-counts, kind='stable')[:most]])
    patches = [Patch(facecolor=np.array(result.palette[i]) / 255, edgecolor='0.6', linewidth=0.5,
                     label=result.nodes[i]) for i in chosen]
    if len(found) > len(chosen):
        patches.append(Patch(alpha=0, label=f'and {len(found) - len(chosen)} more'))
    return patches or [Patch(alpha=0, label='none')]
