"""mIoU against training iterations, dataset by dataset (MDP, Figure 3)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .figures import COLOURS, save_figure

#: Panels in a row, at most.
_COLUMNS = 3

#: Curves of more points have no markers, which would run into each other.
_MARKED = 30


class Curve(NamedTuple):
    """Mean and standard deviation of some runs, each [T]; a single run has no deviation."""

    iterations: list[int]
    mean: list[float]
    std: list[float] | None


def average_curves(runs: Sequence[Mapping[int, float]]) -> Curve:
    """Average runs over the iterations that all of them have.

    Args:
        runs: A value by iteration for each run; NaN, as of a dataset of which no class counts, is
            as good as none.
    """
    defined = [{i for i, value in run.items() if not np.isnan(value)} for run in runs]
    iterations = sorted(set.intersection(*defined))
    values = np.array([[run[i] for i in iterations] for run in runs])  # [R, T]
    std = values.std(axis=0, ddof=1).tolist() if len(runs) > 1 else None
    return Curve(iterations, values.mean(axis=0).tolist(), std)


def draw_training_curves(panels: Mapping[str, Mapping[str, Curve]],
                         path: str | os.PathLike) -> None:
    """Draw a panel per dataset and a line per label, with a band of one standard deviation.

    Args:
        panels: Dataset -> label -> curve in percent. A curve of one iteration is a point.
        path: File to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    labels = list(dict.fromkeys(label for curves in panels.values() for label in curves))
    styles = {label: {'color': COLOURS[i % len(COLOURS)],
                      'linestyle': '-' if i < len(COLOURS) else '--'}
              for i, label in enumerate(labels)}  # a label has one style in all panels
    rows = -(-len(panels) // _COLUMNS)
    columns = -(-len(panels) // rows)  # four are two rows of two
    figure = Figure(figsize=(0.6 + 3.4 * columns, 0.5 + 2.6 * rows), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (dataset, curves) in zip(axes, panels.items()):
        for label, curve in curves.items():
            _draw_curve(axis, curve, styles[label])
        _style_axis(axis, dataset, curves)
    for axis in axes[len(panels):]:
        axis.set_axis_off()
    figure.legend(handles=[Line2D([], [], label=label, **style) for label, style in styles.items()],
                  loc='outside upper center', ncols=min(len(labels), 1 + columns), fontsize=9,
                  frameon=False)
    save_figure(figure, path)


def _draw_curve(axis, curve: Curve, style: Mapping) -> None:
    single = len(curve.iterations) == 1
    axis.plot(curve.iterations, curve.mean, linewidth=1.5, markersize=3.5,
              marker='o' if len(curve.iterations) <= _MARKED else None, **style)
    if curve.std is None:
        return
    if single:  # a band of no width could not be seen
        axis.errorbar(curve.iterations, curve.mean, curve.std, fmt='none', capsize=3,
                      ecolor=style['color'])
    else:
        mean, std = np.array(curve.mean), np.array(curve.std)
        axis.fill_between(curve.iterations, mean - std, mean + std, alpha=0.18, linewidth=0,
                          color=style['color'])


def _style_axis(axis, dataset: str, curves: Mapping[str, Curve]) -> None:
    axis.set_title(dataset, fontsize=10, loc='left')
    axis.set_xlabel('training iteration', fontsize=8)
    axis.set_ylabel('mIoU in %', fontsize=8)
    axis.tick_params(labelsize=7)
    axis.locator_params(axis='x', nbins=6, integer=True)
    axis.grid(color='0.9', linewidth=0.8)
    axis.set_axisbelow(True)
    for side in ('top', 'right'):
        axis.spines[side].set_visible(False)
    if not any(curve.iterations for curve in curves.values()):
        axis.text(0.5, 0.5, 'no validations', ha='center', va='center', fontsize=8, color='0.4',
                  transform=axis.transAxes)
