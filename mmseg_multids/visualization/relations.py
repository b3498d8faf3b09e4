"""A picture of class relations."""

from __future__ import annotations

import os

import numpy as np

from ..label_spaces import ClassRelations
from .figures import save_figure

_CELL = 0.16  # inches


def draw_relations(relations: ClassRelations, path: str | os.PathLike) -> None:
    """Draw the mean similarity of every class to every node; second labels are framed.

    A panel per dataset, a row per class and a column per node. The class's own node has a dot.

    Args:
        relations: What to draw.
        path: File to write: .png, .pdf or .svg.
    """
    from matplotlib.figure import Figure
    space = relations.label_space
    heights = [space.space(d).num_classes for d in space.datasets]
    figure = Figure(figsize=(_CELL * space.num_nodes + 3.2, _CELL * sum(heights) + 0.9
                             * len(heights) + 1.6), layout='constrained')
    panels = figure.subplots(len(heights), 1, squeeze=False, sharex=True,
                             height_ratios=heights)[:, 0]
    known = np.concatenate([s[~np.isnan(s)] for s in relations.scores.values()])
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    for panel, dataset in zip(panels, space.datasets):
        scores, own = relations.scores[dataset], space.node_of_class(dataset)
        image = panel.imshow(scores, cmap='Greys', vmin=low, vmax=high, aspect='auto',
                             interpolation='nearest')
        classes = space.space(dataset).classes
        panel.set_yticks(range(len(classes)), classes, fontsize=7)
        panel.set_title(f'{dataset}: pixels labelled as ...', loc='left', fontsize=9)
        panel.plot(own, range(len(classes)), '.', color='#0072B2', markersize=3)
        table = relations.table(dataset)
        table[range(len(classes)), own] = 0
        for c, node in zip(*np.nonzero(table == 1)):
            panel.add_patch(_frame(node, c))
        panel.tick_params(length=0)
    panels[-1].set_xticks(range(space.num_nodes), space.nodes, rotation=90, fontsize=7)
    panels[-1].set_xlabel('... are this similar to the node (dot: the class itself; frame: '
                          'second label)', fontsize=9)
    figure.colorbar(image, ax=list(panels), shrink=0.4, pad=0.01, label='mean similarity')
    save_figure(figure, path)


def _frame(node: int, row: int):
    from matplotlib.patches import Rectangle
    return Rectangle((node - 0.5, row - 0.5), 1, 1, fill=False, edgecolor='#D00000', linewidth=1.3)
