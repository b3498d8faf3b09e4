"""A comparison of runs as Markdown and JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..evaluation.iou import without_nan
from ..files import replacing
from ..visualization.training_curves import draw_training_curves
from .compare_runs import Comparison, DatasetComparison, Spread


def format_comparison(comparison: Comparison) -> str:
    """Write a comparison as Markdown: mIoU, head and tail classes, each of their classes, notes."""
    head, tail = (f'{100 * share:g} %' for share in (comparison.head, comparison.tail))
    blocks = ['mIoU in percent; mean ± standard deviation where there are several runs',
              _miou_table(comparison)]
    if any(of.head_mean for of in comparison.datasets.values()):
        blocks += [f'mean IoU of head classes (the {head} with the most labelled pixels) and tail '
                   f'classes (the {tail} with the fewest)', _head_tail_table(comparison)]
    for dataset, of in comparison.datasets.items():
        if of.iou:
            blocks += _class_blocks(comparison, dataset, of)
    if comparison.notes:
        blocks += ['Notes', '\n'.join(f'- {note}' for note in comparison.notes)]
    return '\n\n'.join(blocks)


def _miou_table(comparison: Comparison) -> str:
    rows = []
    for name, paths in comparison.runs.items():
        last = dict.fromkeys('-' if i is None else str(i) for i in comparison.iterations[name])
        rows.append([name, str(len(paths)), ', '.join(last),
                     *(_cell(of.miou[name]) for of in comparison.datasets.values()),
                     _cell(comparison.mean['miou'][name])])
    return _table(['variant', 'runs', 'iteration', *comparison.datasets, 'mean'], rows)


def _head_tail_table(comparison: Comparison) -> str:
    titles = [f'{dataset} {part}' for dataset in (*comparison.datasets, 'mean')
              for part in ('head', 'tail')]
    rows = []
    for name in comparison.runs:
        cells = [spreads.get(name) for of in comparison.datasets.values()
                 for spreads in (of.head_mean, of.tail_mean)]
        cells += [comparison.mean['head'][name], comparison.mean['tail'][name]]
        rows.append([name, *map(_cell, cells)])
    return _table(['variant', *titles], rows)


def _class_blocks(comparison: Comparison, dataset: str, of: DatasetComparison) -> list[str]:
    share = dict(zip(of.classes, of.share))
    blocks = []
    for title, classes, means in (('head', of.head, of.head_mean), ('tail', of.tail, of.tail_mean)):
        if not classes:
            continue
        rows = [[name, *(_cell(of.iou.get(name, {}).get(c)) for c in classes),
                 _cell(means.get(name)), _cell(of.miou[name])] for name in comparison.runs]
        blocks += [f'{dataset}: IoU of {title} classes, {len(classes)} of {len(of.classes)} (with '
                   'their share of the labelled pixels)',
                   _table(['variant', *(f'{c} ({_share(share[c])} %)' for c in classes), 'mean',
                           'mIoU'], rows)]
    reasons: dict[str, list[str]] = {}
    for name, note in of.left_out.items():
        reasons.setdefault(note, []).append(name)
    if reasons:
        blocks.append(f'{dataset}: neither head nor tail: ' + '; '.join(
            f'{", ".join(names)} ({note})' for note, names in reasons.items()))
    return blocks


def _share(percent: float) -> str:
    """Two decimals, or the first digits of what would be 0.00."""
    return f'{percent:.2f}' if percent >= 0.1 else f'{percent:.2g}'


def _cell(spread: Spread | None) -> str:
    if spread is None or np.isnan(spread.mean):
        return '-'
    return f'{spread.mean:.2f}' + (f' ± {spread.std:.2f}' if spread.std is not None else '')


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ['---', *['---:'] * (len(titles) - 1)], *rows]
    return '\n'.join('| ' + ' | '.join(cell.replace('|', '\\|') for cell in line) + ' |'
                     for line in lines)


def write_comparison(comparison: Comparison, folder: str | os.PathLike) -> list[Path]:
    """Write ``compare.md``, ``compare.json`` and, if validations were logged, ``compare.png``.

    Args:
        comparison: What :func:`~mmseg_multids.apis.compare_runs.compare_runs` returns.
        folder: Folder for the files.

    Returns:
        The files. A ``compare.png`` of earlier, without validations now, is removed.
    """
    folder = Path(folder)
    with replacing(folder / 'compare.md') as file:
        file.write_text(format_comparison(comparison) + '\n', encoding='utf-8')
    with replacing(folder / 'compare.json') as file:
        file.write_text(json.dumps(without_nan(_plain(asdict(comparison))), indent=1,
                                   allow_nan=False))
    files = [folder / 'compare.md', folder / 'compare.json']
    picture = folder / 'compare.png'
    panels = {dataset: of.curves for dataset, of in comparison.datasets.items()}
    if any(panels.values()):
        draw_training_curves(panels, picture)
        return [*files, picture]
    picture.unlink(missing_ok=True)
    return files


def _plain(data):
    """Return dicts for the named tuples, which JSON would write as lists."""
    if hasattr(data, '_asdict'):
        data = data._asdict()
    if isinstance(data, dict):
        return {key: _plain(value) for key, value in data.items()}
    return data
