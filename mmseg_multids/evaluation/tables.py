"""Scores as text."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from prettytable import PrettyTable

from .iou import DatasetScores, arithmetic_mean, harmonic_mean

#: What a metric of ``IoUMetric`` shows per class: title, attribute of :class:`DatasetScores`.
PER_CLASS = {'mIoU': (('IoU', 'iou'), ('Acc', 'acc')),
             'mDice': (('Dice', 'dice'), ('Acc', 'acc')),
             'mFscore': (('Fscore', 'fscore'), ('Precision', 'precision'), ('Recall', 'acc'))}

_SENTENCES = {'no ground truth': 'have no ground truth', 'left out': 'are left out',
              'not predicted': 'cannot be predicted'}


def per_class_columns(iou_metrics: Sequence[str]) -> dict[str, str]:
    """Return title -> attribute for some metrics, each once."""
    return {title: what for metric in iou_metrics for title, what in PER_CLASS[metric]}


def format_tables(scores: Mapping[str, DatasetScores], frequent_share: float | None = None,
                  iou_metrics: Sequence[str] = ('mIoU',),
                  unseen: Collection[str] = ()) -> str:
    """Write a table per dataset and a summary, in percent.

    Args:
        scores: Scores by dataset.
        frequent_share: Also average over the classes with more than this share of the pixels, and
            say how many they are.
        iou_metrics: Of ``mIoU``, ``mDice``, ``mFscore``: the columns.
        unseen: Datasets that the model was not trained on; the others get a mean of their own.
    """
    columns = per_class_columns(iou_metrics)
    blocks = ['\n'.join([f'{name}: {_summary_line(score)}', _class_table(score, columns)])
              for name, score in scores.items()]
    return '\n\n'.join([*blocks, _summary_table(scores, columns, frequent_share, unseen)])


def _summary_line(score: DatasetScores) -> str:
    total = len(score.classes)
    parts = [f'{score.images} images, {score.notes.count("")} of {total} classes count']
    for note, sentence in _SENTENCES.items():
        names = [c for c, n in zip(score.classes, score.notes) if n == note]
        if names:
            more = f' and {len(names) - 10} more' if len(names) > 10 else ''
            parts.append(f'{len(names)} of {total} classes {sentence} '
                         f'({", ".join(names[:10])}{more})')
    return '; '.join(parts)


def _class_table(score: DatasetScores, columns: Mapping[str, str]) -> str:
    table = PrettyTable(['class', *columns, 'pixels %', 'note'])
    table.align.update({'class': 'l', 'note': 'l'} | {c: 'r' for c in (*columns, 'pixels %')})
    for row in zip(score.classes, *(getattr(score, what) for what in columns.values()),
                   score.share, score.notes):
        table.add_row([row[0], *map(_percent, row[1:-1]), row[-1]])
    return table.get_string()


def _summary_table(scores: Mapping[str, DatasetScores], columns: Mapping[str, str],
                   frequent_share: float | None, unseen: Collection[str]) -> str:
    titles = ['dataset', *(f'm{title}' for title in columns), 'aAcc']
    if frequent_share is not None:
        titles.append(f'mIoU of classes > {100 * frequent_share:g} % of pixels')
    table = PrettyTable(titles)
    table.align.update({title: 'r' for title in titles[1:]} | {'dataset': 'l'})
    rows = {}
    for name, score in scores.items():
        row = [*(score.mean(what) for what in columns.values()), score.aacc]
        cells = [_percent(v) for v in row]
        if frequent_share is not None:
            row.append(score.mean('iou', frequent_share))
            cells.append(f'{_percent(row[-1])} ({score.num_frequent(frequent_share)} of '
                         f'{len(score.classes)})')
        rows[name] = row
        table.add_row([f'{name} (unseen)' if name in unseen else name, *cells])
    groups = [('mean', arithmetic_mean, list(rows)), ('harmonic mean', harmonic_mean, list(rows))]
    if 0 < len(unseen) < len(rows):
        groups += [('mean of the seen', arithmetic_mean, [d for d in rows if d not in unseen]),
                   ('mean of the unseen', arithmetic_mean, [d for d in rows if d in unseen])]
    for title, mean, names in groups:
        if names:
            table.add_row([title, *(_percent(mean(column))
                                    for column in zip(*(rows[d] for d in names)))])
    return table.get_string()


def _percent(value: float) -> str:
    return '-' if np.isnan(value) else f'{100 * value:.2f}'
