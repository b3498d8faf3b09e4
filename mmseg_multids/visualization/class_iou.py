"""IoU per class of several runs, dataset by dataset (CDCL, Figure 4)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..evaluation.run_files import default_label, read_scores, scores_file
from ..label_spaces import normalise_name
from .figures import COLOURS, save_figure, split_label

#: Notes of :class:`~mmseg_multids.evaluation.DatasetScores` that mean that there is no IoU.
_UNDEFINED = ('no ground truth', 'not predicted')

_MARK = '#D00000'


class DatasetResult(NamedTuple):
    """What one run reached on one dataset, in percent; ``None`` where an IoU is not defined."""

    classes: list[str]
    iou: list[float | None]
    mean: float
    path: str


class Panel(NamedTuple):
    """One dataset: its classes, which of them have the name of another dataset's, and the runs."""

    dataset: str
    classes: list[str]
    shared: list[bool]
    runs: dict[str, DatasetResult]


# ------------------------------------------------------------------------ reading


def load_runs(runs: Sequence[str | os.PathLike]) -> dict[str, dict[str, DatasetResult]]:
    """Read the scores of runs: label -> dataset -> result.

    Args:
        runs: ``LABEL=PATH`` or ``PATH``, where the path is a work dir with a report, the report's
            ``scores.json``, or an ``out_file`` of :class:`MultiDatasetIoUMetric`. Runs of the same
            label are joined, such as networks that were each trained on one dataset. The default
            label is the name of the work dir, or of the file.

    Raises:
        FileNotFoundError: There are no scores.
        ValueError: A file holds something else, or a label has a dataset twice.
    """
    loaded: dict[str, dict[str, DatasetResult]] = {}
    for run in runs:
        label, path = split_label(run)
        file = scores_file(Path(path))
        label = label or default_label(file)
        results = loaded.setdefault(label, {})
        for dataset, result in _read_scores(file).items():
            if dataset in results:
                raise ValueError(f'run {label!r} has dataset {dataset} twice, in '
                                 f'{results[dataset].path} and {file}; give the runs '
                                 'different labels: LABEL=PATH')
            results[dataset] = result
    return loaded


def _read_scores(file: Path) -> dict[str, DatasetResult]:
    scores = read_scores(file, {'iou': 'values of IoU', 'notes': 'notes'})
    return {dataset: _result(file, score) for dataset, score in scores.items()}


def _result(file: Path, score: Mapping) -> DatasetResult:
    notes = score['notes']
    iou = [None if share is None or note in _UNDEFINED else 100 * share
           for share, note in zip(score['iou'], notes)]
    counting = [value for value, note in zip(iou, notes) if value is not None and not note]
    mean = float(np.mean(counting)) if counting else float('nan')
    return DatasetResult(list(score['classes']), iou, mean, str(file))


# ---------------------------------------------------------------------- arranging


def shared_by_name(classes: Mapping[str, Sequence[str]]) -> dict[str, list[bool]]:
    """Say of each dataset's classes whether another dataset has a class of that name.

    Args:
        classes: Class names by dataset; upper case, ``_`` and ``-`` make no difference.
    """
    names = {dataset: [normalise_name(c) for c in own] for dataset, own in classes.items()}
    return {dataset: [any(name in theirs for other, theirs in names.items() if other != dataset)
                      for name in own] for dataset, own in names.items()}


def collect(runs: Mapping[str, Mapping[str, DatasetResult]],
            datasets: Sequence[str] | None = None) -> list[Panel]:
    """Arrange runs by dataset.

    Args:
        runs: What :func:`load_runs` returns.
        datasets: The datasets to show. Default: all, in the order of the runs.

    Raises:
        ValueError: No run has the dataset, or two runs have other classes of it.
    """
    classes: dict[str, DatasetResult] = {}
    for results in runs.values():
        for dataset, result in results.items():
            first = classes.setdefault(dataset, result)
            if result.classes != first.classes:
                differing = sorted(set(result.classes) ^ set(first.classes)) or ['their order']
                raise ValueError(f'{result.path}: dataset {dataset} has other classes '
                                 f'({", ".join(differing)}) than in {first.path}')
    unknown = [name for name in datasets or () if name not in classes]
    if unknown:
        raise ValueError(f'unknown dataset {unknown[0]!r}; the runs have {", ".join(classes)}')
    marks = shared_by_name({dataset: result.classes for dataset, result in classes.items()})
    return [Panel(dataset, classes[dataset].classes, marks[dataset],
                  {label: results[dataset] for label, results in runs.items()
                   if dataset in results})
            for dataset in datasets or classes]


# ------------------------------------------------------------------------ drawing


def draw_class_iou(panels: Sequence[Panel], path: str | os.PathLike) -> None:
    """Draw a bar per class and run: a panel per dataset, shared class names boxed in red.

    Args:
        panels: What :func:`collect` returns.
        path: File to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    labels = list(dict.fromkeys(label for panel in panels for label in panel.runs))
    most_classes = max(len(panel.classes) for panel in panels)
    slot = max(0.26, 0.15 + 0.085 * max(len(panel.runs) for panel in panels))  # inches of a class
    figure = Figure(figsize=(max(3.5, slot * most_classes) + 2.2, 2.9 * len(panels)),
                    layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for panel, axis in zip(panels, axes):
        _draw_panel(axis, panel, labels, most_classes)
    save_figure(figure, path)


def _draw_panel(axis, panel: Panel, labels: Sequence[str], most_classes: int) -> None:
    from matplotlib.patches import Patch

    width = 0.8 / len(panel.runs)
    handles = []
    undefined = False
    for i, (label, result) in enumerate(panel.runs.items()):
        which = labels.index(label)  # a run has one colour in all panels
        style = {'facecolor': COLOURS[which % len(COLOURS)],
                 'hatch': '' if which < len(COLOURS) else '//', 'edgecolor': 'white',
                 'linewidth': 0}
        centres = np.arange(len(panel.classes)) + (i - (len(panel.runs) - 1) / 2) * width
        axis.bar(centres, [value or 0.0 for value in result.iou], width, **style)
        missing = [x for x, value in zip(centres, result.iou) if value is None]
        axis.plot(missing, [2.0] * len(missing), 'x', color=style['facecolor'], markersize=4)
        undefined |= bool(missing)
        handles.append(Patch(**style, label=f'{label}  {result.mean:.1f}'))
    if any(panel.shared):
        handles.append(Patch(facecolor='none', edgecolor=_MARK,
                             label='another dataset\nhas this name, too'))
    if undefined:
        handles.append(axis.plot([], [], 'x', color='0.3', markersize=4,
                                 label='no ground truth')[0])
    axis.set_title(panel.dataset, fontsize=10, loc='left')
    # The same width per class in all panels.
    axis.set_xlim(-0.6, most_classes - 0.4)
    end = len(panel.classes) - 0.4
    axis.spines['bottom'].set_bounds(-0.6, end)
    axis.set_ylim(0, 100)
    axis.set_ylabel('IoU in %', fontsize=8)
    axis.tick_params(labelsize=7)
    axis.hlines(range(20, 101, 20), -0.6, end, color='0.9', linewidth=0.8, zorder=0)
    for side in ('top', 'right'):
        axis.spines[side].set_visible(False)
    texts = axis.set_xticks(np.arange(len(panel.classes)), panel.classes, rotation=45, ha='right',
                            rotation_mode='anchor', fontsize=8)
    for tick, shared in zip(texts, panel.shared):
        if shared:
            tick.label1.set_color(_MARK)
            tick.label1.set_bbox({'boxstyle': 'round,pad=0.15', 'facecolor': 'none',
                                  'edgecolor': _MARK, 'linewidth': 0.7})
    axis.legend(handles=handles, title='mean IoU', loc='upper left', bbox_to_anchor=(end, 100),
                bbox_transform=axis.transData, fontsize=8, title_fontsize=8, frameon=False,
                alignment='left')
