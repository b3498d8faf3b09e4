"""What a run leaves in its work dir: the last validation's scores and a log of all validations."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

#: Where SegmentationReportHook leaves the scores of a work dir.
REPORT = Path('report') / 'scores.json'

#: Where LocalVisBackend logs; a folder for each start of the run, named by its time.
LOGS = '*/vis_data/scalars.json'

#: What every validation by MultiDatasetIoUMetric logs, after the metric's ``prefix`` if it has one.
_MEAN = 'mean/mIoU'

#: Keys of that metric that are means over datasets.
_MEANS = ('mean', 'harmonic', 'seen', 'unseen')


class Validations(NamedTuple):
    """The validations that a run logged.

    Attributes:
        miou: Dataset -> iteration -> mIoU in percent; iterations ascend.
        files: The logs that were read, oldest first.
        notes: What was left out.
    """

    miou: dict[str, dict[int, float]]
    files: list[Path]
    notes: list[str]


# ------------------------------------------------------------------------- scores


def scores_file(path: Path) -> Path:
    """Return the file of scores that a work dir has, or the file itself.

    Raises:
        FileNotFoundError: There is none.
    """
    if path.is_dir():
        if not (path / REPORT).is_file():
            raise FileNotFoundError(
                f'{path} has no {REPORT}. SegmentationReportHook writes it when a training ends; '
                'MultiDatasetIoUMetric(out_file=...) writes a file that can be named here, too')
        return path / REPORT
    if not path.is_file():
        raise FileNotFoundError(f'{path} does not exist')
    return path


def read_scores(file: Path, per_class: Mapping[str, str]) -> dict[str, dict]:
    """Read the scores of each dataset from a report or an ``out_file`` of the metric.

    Args:
        file: The file.
        per_class: Attributes of :class:`DatasetScores` that are needed, with what they are called
            in errors: ``{'iou': 'values of IoU'}``.

    Returns:
        Dataset -> what :meth:`DatasetScores.to_dict` wrote.

    Raises:
        ValueError: The file holds something else.
    """
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{file} is no JSON: {error}') from error
    if isinstance(content, dict) and 'metrics' in content:
        content = content.get('datasets')  # an out_file of the metric
    if not content or not isinstance(content, dict) \
            or not all(isinstance(score, dict) for score in content.values()):
        raise ValueError(f'{file} holds no scores by dataset, as SegmentationReportHook and '
                         'MultiDatasetIoUMetric write them')
    for dataset, score in content.items():
        for key in ('classes', *per_class):
            if key not in score:
                raise ValueError(f'{file}: dataset {dataset} lacks {key!r}')
        sizes = [len(score[key]) for key in per_class]
        if any(size != len(score['classes']) for size in sizes):
            counts = [f'{size} {title}' for size, title in zip(sizes, per_class.values())]
            raise ValueError(f'{file}: dataset {dataset} has {len(score["classes"])} classes, '
                             f'{", ".join(counts[:-1])} and {counts[-1]}')
    return content


# -------------------------------------------------------------------- validations


def read_validations(work_dir: Path) -> Validations:
    """Read mIoU by iteration from the logs of a work dir.

    A run that was resumed has several logs, which are read in the order of their times: the last
    value of an iteration counts, and where a log begins, what earlier ones say of later iterations
    is of a course that was given up. A last line that was cut off, as of a process that was ended
    or is writing, is left out.

    Raises:
        ValueError: A log holds something else.
    """
    miou: dict[str, dict[int, float]] = {}
    notes = []
    files = sorted(work_dir.glob(LOGS))
    for file in files:
        lines, complete = _read_lines(file)
        if not complete:
            notes.append(f'{file}: the last line is cut off and left out')
        trained = [line['step'] for line in lines if 'iter' in line]
        begin = min(trained, default=float('inf'))
        given_up = {step for curve in miou.values() for step in curve if step >= begin}
        miou = {dataset: {step: value for step, value in curve.items() if step < begin}
                for dataset, curve in miou.items()}
        for line in lines:
            for dataset, value in _validation(line).items():
                miou.setdefault(dataset, {})[line['step']] = value
        lost = given_up - {step for curve in miou.values() for step in curve}
        if lost:
            notes.append(f'{file} begins anew by iteration {begin}: earlier validations at '
                         f'{_listed(sorted(lost))} are left out')
    return Validations({dataset: dict(sorted(curve.items()))
                        for dataset, curve in miou.items() if curve}, files, notes)


def _read_lines(file: Path) -> tuple[list[dict], bool]:
    """Return the lines of a log, and whether the last one is whole."""
    texts = [text for text in file.read_text(encoding='utf-8', errors='replace').split('\n')
             if text.strip()]
    lines = []
    for number, text in enumerate(texts, 1):
        try:
            line = json.loads(text)
        except ValueError as error:
            if number == len(texts):
                return lines, False
            raise ValueError(f'{file}: line {number} is no JSON: {error}') from error
        if not isinstance(line, dict) or not isinstance(line.get('step'), int):
            raise ValueError(f'{file}: line {number} has no scalars with a step, as '
                             'LocalVisBackend writes them')
        lines.append(line)
    return lines, True


def _validation(line: Mapping) -> dict[str, float]:
    """Return mIoU by dataset if a line of a log is of a validation."""
    prefix = next((key[:-len(_MEAN)] for key in line
                   if key == _MEAN or key.endswith(f'/{_MEAN}')), None)
    if prefix is None:
        return {}
    found = {key[len(prefix):-len('/mIoU')]: value for key, value in line.items()
             if key.startswith(prefix) and key.endswith('/mIoU')}
    return {dataset: float(value) for dataset, value in found.items() if dataset not in _MEANS}


def _listed(values: Sequence[int]) -> str:
    more = f' and {len(values) - 5} more' if len(values) > 5 else ''
    return ', '.join(map(str, values[:5])) + more


def default_label(path: str | os.PathLike) -> str:
    """Return the name of a run: that of its work dir, or of a file elsewhere."""
    parts = Path(path).absolute().parts
    if Path(*parts[-2:]) == REPORT:
        return parts[-3]
    return Path(path).stem if Path(path).is_file() else parts[-1]
