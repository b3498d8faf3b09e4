"""What the figures share: how runs are named, colours, and saving."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..files import replacing

#: Colours of runs or datasets that stay apart for colour-blind readers. Red is not among them: it
#: marks things.
COLOURS = ('#0072B2', '#E69F00', '#009E73', '#CC79A7', '#56B4E9', '#7F5F3F', '#8C8C8C', '#222222')

_FORMATS = ('.png', '.pdf', '.svg')


def split_label(text: str | os.PathLike) -> tuple[str | None, str]:
    """Split ``LABEL=PATH``; a path alone, or one that exists as it stands, has no label.

    Raises:
        ValueError: The label or the path is empty.
    """
    text = os.fspath(text)
    label, sign, path = text.partition('=')
    if not sign or Path(text).exists():
        return None, text
    if not label.strip() or not path:
        raise ValueError(f'run {text!r}: expected LABEL=PATH or PATH')
    return label.strip(), path


class LabelledRun(NamedTuple):
    """A checkpoint and what figures call it."""

    label: str
    path: str


def labels_of_runs(runs: Sequence[str | os.PathLike]) -> list[LabelledRun]:
    """Name checkpoints: by their own label, else by their folder, with the file if need be.

    Args:
        runs: ``LABEL=CHECKPOINT`` or a checkpoint each.

    Raises:
        ValueError: Two have one name, or as :func:`split_label`.
    """
    parts = [split_label(run) for run in runs]
    folders = Counter(Path(path).absolute().parent.name for label, path in parts if label is None)
    named = []
    for label, path in parts:
        folder, stem = Path(path).absolute().parent.name, Path(path).stem
        named.append(LabelledRun(
            label or (folder if folders[folder] == 1 else f'{folder}/{stem}'), path))
    label, times = Counter(run.label for run in named).most_common(1)[0]
    if times > 1:
        raise ValueError(f'{times} runs are called {label!r}; give them different labels: '
                         'LABEL=CHECKPOINT')
    return named


def check_figure_name(path: str | os.PathLike) -> Path:
    """Return a path that a figure can be written to.

    Raises:
        ValueError: The suffix is no known format.
    """
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise ValueError(f'{path}: figures are written as {", ".join(_FORMATS)}; name the file so')
    return path


def save_figure(figure, path: str | os.PathLike, dpi: int = 110) -> None:
    """Write a figure; a file of that name is replaced only by a complete one.

    Args:
        figure: A matplotlib ``Figure``.
        path: File to write; its suffix is the format.
        dpi: Pixels per inch.

    Raises:
        ValueError: The suffix is no known format.
    """
    path = check_figure_name(path)
    with replacing(path) as file:
        figure.savefig(file, format=path.suffix[1:].lower(), dpi=dpi)
