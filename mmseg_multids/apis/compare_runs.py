"""Several runs side by side: mIoU, head and tail classes (MDP, Table 7), training curves."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..evaluation.run_files import (
    LOGS,
    REPORT,
    default_label,
    read_scores,
    read_validations,
    scores_file,
)
from ..visualization.figures import split_label
from ..visualization.training_curves import Curve, average_curves

#: What is read of each dataset's scores, with what it is called in errors.
_PER_CLASS = {'iou': 'values of IoU', 'share': 'shares of pixels', 'labelled': 'counts of pixels',
              'notes': 'notes'}

#: Two figures that are further apart, in percent, are not the same one rounded.
_ROUNDING = 0.02


class Run(NamedTuple):
    """One training.

    Attributes:
        path: Its work dir, or its file of scores.
        scores: Dataset -> scores as in the report; empty if there is none.
        curves: Dataset -> iteration -> mIoU in percent, of the validations that were logged.
        notes: What a reader should know.
    """

    path: str
    scores: dict[str, dict]
    curves: dict[str, dict[int, float]]
    notes: list[str]

    @property
    def miou(self) -> dict[str, float]:
        """By dataset, mIoU of the report or else of the last validation."""
        if self.scores:
            return {dataset: _mean_iou(score) for dataset, score in self.scores.items()}
        return {dataset: curve[max(curve)] for dataset, curve in self.curves.items()}

    @property
    def last(self) -> int | None:
        """Iteration of the last validation, where it is known."""
        return max((max(curve) for curve in self.curves.values()), default=None)


class Spread(NamedTuple):
    """A figure of each run of a group, in percent, their mean, and their standard deviation."""

    mean: float
    std: float | None
    runs: list[float]

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return mean and standard deviation (of a sample: divided by the number less one)."""
        values = [float(value) for value in values]
        return cls(float(np.mean(values)),
                   float(np.std(values, ddof=1)) if len(values) > 1 else None, values)


@dataclass
class DatasetComparison:
    """What groups of runs reach on one dataset.

    Attributes:
        classes: Names of the classes that count, by falling share of the labelled pixels.
        share: Share of the labelled pixels of each of them, in percent.
        head: The most frequent of the classes.
        tail: The rarest.
        left_out: Class -> why it can be neither.
        miou: Group -> mIoU.
        head_mean: Group -> mean IoU of the head classes, where the runs have reports.
        tail_mean: Group -> mean IoU of the tail classes.
        iou: Group -> class of head or tail -> IoU.
        curves: Group -> mIoU against iterations.
    """

    classes: list[str]
    share: list[float]
    head: list[str]
    tail: list[str]
    left_out: dict[str, str]
    miou: dict[str, Spread]
    head_mean: dict[str, Spread]
    tail_mean: dict[str, Spread]
    iou: dict[str, dict[str, Spread]]
    curves: dict[str, Curve]


@dataclass
class Comparison:
    """Groups of runs on the datasets that all of them have.

    Attributes:
        runs: Group -> paths.
        iterations: Group -> iteration of each run's last validation, ``None`` if not known.
        head: Share of the classes that are head classes.
        tail: Share that are tail classes.
        datasets: Dataset -> comparison.
        mean: ``'miou'``, ``'head'`` or ``'tail'`` -> group -> mean over the datasets.
        notes: What a reader should know.
    """

    runs: dict[str, list[str]]
    iterations: dict[str, list[int | None]]
    head: float
    tail: float
    datasets: dict[str, DatasetComparison]
    mean: dict[str, dict[str, Spread | None]]
    notes: list[str]


# ------------------------------------------------------------------------ reading


def load_groups(texts: Sequence[str | os.PathLike]) -> dict[str, list[Run]]:
    """Read runs: group -> runs.

    Args:
        texts: ``NAME=RUN[,RUN...]`` or ``RUN``, where a run is a work dir, or a file of scores.
            Runs of the same name are one group. Without a name it is that of the folder or file.

    Raises:
        FileNotFoundError: Something is no run.
        ValueError: A name or path is missing or twice there; a file cannot be read.
    """
    paths: dict[str, list[str]] = {}
    unnamed: dict[str, str] = {}
    for text in texts:
        name, rest = split_label(text)
        parts = [rest] if Path(rest).exists() else rest.split(',')
        if '' in parts:
            raise ValueError(f'run {os.fspath(text)!r}: expected NAME=DIR[,DIR...]; there is '
                             'nothing before or after a comma')
        if name is None:
            if len(parts) > 1:
                raise ValueError(f'run {os.fspath(text)!r}: several runs of one group need a '
                                 'name: NAME=DIR,DIR')
            name = default_label(rest)
            if name in unnamed:
                raise ValueError(f'{unnamed[name]} and {rest} are both named {name!r}; give them '
                                 'names: NAME=DIR')
            unnamed[name] = rest
        paths.setdefault(name, []).extend(parts)
    for name, parts in paths.items():
        known: dict[Path, str] = {}
        for part in parts:
            if known.setdefault(Path(part).resolve(), part) is not part:
                raise ValueError(f'group {name!r} has the run {part} twice')
    return {name: [load_run(part) for part in parts] for name, parts in paths.items()}


def load_run(path: str | os.PathLike) -> Run:
    """Read one run.

    Args:
        path: A work dir with a report or with logs of validations, or a file of scores.

    Raises:
        FileNotFoundError: It is no run.
        ValueError: There are no validations, or a file cannot be read.
    """
    path = Path(path)
    if not path.is_dir():
        return Run(str(path), read_scores(scores_file(path), _PER_CLASS), {},
                   [f'{path} is a file of scores: no curve'])
    curves, logs, notes = read_validations(path)
    report = path / REPORT
    if report.is_file():
        run = Run(str(path), read_scores(report, _PER_CLASS), curves, notes)
        notes += _notes_on_report(run)
        return run
    if not logs:
        raise FileNotFoundError(f'{path} is no work dir of a run: it has neither {REPORT} nor '
                                f'{LOGS}')
    if not curves:
        raise ValueError(f'{path} has no validations: no {REPORT}, and none that counts in '
                         f'{", ".join(map(str, logs))}{"".join(f" ({note})" for note in notes)}. A '
                         'run validates every train_cfg.val_interval iterations and when it ends, '
                         'with MultiDatasetIoUMetric')
    run = Run(str(path), {}, curves, notes)
    notes.append(f'{path} has no {REPORT} (the run has not ended, or had no '
                 'SegmentationReportHook): mIoU is that of the last validation, at iteration '
                 f'{run.last}, and there is no IoU of classes')
    return run


def _notes_on_report(run: Run) -> list[str]:
    if not run.curves:
        return [f'{run.path} has no validations in {LOGS}: no curve']
    last = {dataset: curve[max(curve)] for dataset, curve in run.curves.items()}
    for dataset, value in run.miou.items():
        if abs(value - last.get(dataset, np.nan)) > _ROUNDING:
            return [f'{run.path}: the report is of another validation than the last one that was '
                    f'logged (mIoU of {dataset}: {value:.2f} and {last[dataset]:.2f}); tables '
                    'show the report']
    return []


def _mean_iou(score: Mapping, classes: Sequence[str] | None = None) -> float:
    """Return the mean over some classes, by default over those that count, in percent."""
    values = [value for name, value, note in zip(score['classes'], score['iou'], score['notes'])
              if value is not None and (not note if classes is None else name in classes)]
    return 100 * float(np.mean(values)) if values else float('nan')


# ---------------------------------------------------------------------- comparing


def compare_runs(groups: Mapping[str, Sequence[Run]], head: float = 0.05, tail: float = 0.05,
                 datasets: Sequence[str] | None = None) -> Comparison:
    """Compare groups of runs on the datasets that all of them have.

    Args:
        groups: What :func:`load_groups` returns. The runs of a group are one variant's seeds. Runs
            of different datasets are joined: networks that were each trained on one dataset are one
            variant.
        head: Share of the classes with labelled pixels that are head classes; rounded down, but at
            least one class.
        tail: Share that are tail classes.
        datasets: Compare on these. Default: on all that every group has.

    Raises:
        ValueError: A share is not above 0 and at most 0.5; there is no common dataset; a dataset
            is not common, or has other classes in another run.
    """
    for title, share in (('head', head), ('tail', tail)):
        if not 0 < share <= 0.5:
            raise ValueError(f'{title}={share}: a share of the classes above 0 and at most 0.5 is '
                             'needed')
    notes = list(dict.fromkeys(note for runs in groups.values() for run in runs
                               for note in run.notes))
    found = {dataset: _compare_dataset(dataset, groups, head, tail, notes)
             for dataset in _common_datasets(groups, datasets, notes)}
    iterations = {name: [run.last for run in runs] for name, runs in groups.items()}
    for name, last in iterations.items():
        if len(set(last)) > 1:
            notes.append(f'{name}: not all runs were validated at the same iteration last')
        sizes = {dataset: len(of.miou[name].runs) for dataset, of in found.items()}
        if len(set(sizes.values())) > 1:
            counts = ', '.join(f'{size} of {dataset}' for dataset, size in sizes.items())
            notes.append(f'{name}: the datasets have different numbers of runs ({counts}), so '
                         'that their mean has no deviation')
    mean = {title: {name: _over_datasets([getattr(of, attribute).get(name)
                                          for of in found.values()]) for name in groups}
            for title, attribute in (('miou', 'miou'), ('head', 'head_mean'),
                                     ('tail', 'tail_mean'))}
    return Comparison({name: [run.path for run in runs] for name, runs in groups.items()},
                      iterations, head, tail, found, mean, notes)


def _common_datasets(groups: Mapping[str, Sequence[Run]], wanted: Sequence[str] | None,
                     notes: list[str]) -> list[str]:
    known = {name: list(dict.fromkeys(dataset for run in runs for dataset in run.miou))
             for name, runs in groups.items()}
    everything = list(dict.fromkeys(dataset for own in known.values() for dataset in own))
    common = [dataset for dataset in everything if all(dataset in own for own in known.values())]
    if not common:
        raise ValueError('there is no dataset that all have: ' + '; '.join(
            f'{name} has {", ".join(own)}' for name, own in known.items()))
    unknown = [dataset for dataset in wanted or () if dataset not in common]
    if unknown:
        raise ValueError(f'{unknown[0]!r} is no dataset that all have; those are '
                         f'{", ".join(common)}')
    for dataset in everything:
        if dataset not in common:
            lacking = [name for name, own in known.items() if dataset not in own]
            notes.append(f'dataset {dataset} is left out: {", ".join(lacking)} '
                         f'{"has" if len(lacking) == 1 else "have"} none of it')
    return list(wanted or common)


def _compare_dataset(dataset: str, groups: Mapping[str, Sequence[Run]], head: float, tail: float,
                     notes: list[str]) -> DatasetComparison:
    members = {name: [run for run in runs if dataset in run.miou]
               for name, runs in groups.items()}
    scored = {name: [run for run in runs if run.scores] for name, runs in members.items()}
    scored = {name: runs for name, runs in scored.items() if runs}
    order, left_out = _by_frequency(dataset, [run for runs in scored.values() for run in runs],
                                    notes)
    names = list(order)
    first, last = (names[:_how_many(head, names)],
                   names[len(names) - _how_many(tail, names):]) if names else ([], [])
    for name, runs in scored.items():
        if len(runs) < len(members[name]):
            notes.append(f'{name}: IoU of classes of {dataset} is of {len(runs)} of '
                         f'{len(members[name])} runs')
    curves = {}
    for name, runs in members.items():
        drawn = [run.curves[dataset] for run in runs if dataset in run.curves]
        if not drawn:
            continue
        curves[name] = average_curves(drawn)
        omitted = {i for curve in drawn for i in curve} - set(curves[name].iterations)
        if omitted:
            notes.append(f'{name}: the curve of {dataset} has the {len(curves[name].iterations)} '
                         f'iterations at which all runs were validated, not the {len(omitted)} '
                         'others')
    return DatasetComparison(
        names, list(order.values()), first, last, left_out,
        miou={name: Spread.of([run.miou[dataset] for run in runs])
              for name, runs in members.items()},
        head_mean=_class_means(dataset, scored, first),
        tail_mean=_class_means(dataset, scored, last),
        iou={name: {c: Spread.of([_mean_iou(run.scores[dataset], [c]) for run in runs])
                    for c in dict.fromkeys((*first, *last))} for name, runs in scored.items()},
        curves=curves)


def _class_means(dataset: str, scored: Mapping[str, Sequence[Run]],
                 classes: Sequence[str]) -> dict[str, Spread]:
    return {name: Spread.of([_mean_iou(run.scores[dataset], classes) for run in runs])
            for name, runs in scored.items() if classes}


def _how_many(share: float, names: Sequence[str]) -> int:
    # Rounded down, as the 7 of 150 classes of the paper's Table 7 are; not 0.3 * 10 to 2.
    return max(1, math.floor(share * len(names) + 1e-9))


def _by_frequency(dataset: str, runs: Sequence[Run],
                  notes: list[str]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the share in percent of each class that counts, falling, and why others do not."""
    if not runs:
        return {}, {}
    first = runs[0].scores[dataset]
    left_out: dict[str, str] = {}
    for run in runs:
        score = run.scores[dataset]
        if score['classes'] != first['classes']:
            differing = sorted(set(score['classes']) ^ set(first['classes'])) or ['their order']
            raise ValueError(f'{run.path}: dataset {dataset} has other classes '
                             f'({", ".join(differing)}) than in {runs[0].path}')
        for name, note in zip(score['classes'], score['notes']):
            if note:
                left_out.setdefault(name, note)
    others = [run.path for run in runs if run.scores[dataset]['labelled'] != first['labelled']]
    if others:
        notes.append(f'{dataset}: {", ".join(others)} {"was" if len(others) == 1 else "were"} '
                     f'validated on other pixels than {runs[0].path}, whose shares are shown')
    ranked = sorted((-share, i) for i, share in enumerate(first['share'])
                    if first['classes'][i] not in left_out)
    return {first['classes'][i]: -100 * share for share, i in ranked}, left_out


def _over_datasets(spreads: Sequence[Spread | None]) -> Spread | None:
    """Average over datasets, run by run where every dataset has as many runs."""
    known = [spread for spread in spreads if spread is None or not np.isnan(spread.mean)]
    if not known or None in known:
        return None
    if len({len(spread.runs) for spread in known}) == 1:
        return Spread.of(np.mean([spread.runs for spread in known], axis=0))
    return Spread(float(np.mean([spread.mean for spread in known])), None, [])
