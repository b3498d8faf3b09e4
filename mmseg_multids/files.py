"""Writing files that are whole or not there. Every room may use it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Write a file under another name; it takes its own only if the block succeeds.

    The folder is made where it is missing.

    Example:
        >>> with replacing('scores.json') as file:
        ...     file.write_text('{}')
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'{path.name}.{os.getpid()}.tmp')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def check_new(paths: Iterable[str | os.PathLike], force: bool = False) -> None:
    """Refuse to replace files, unless ``force`` says so.

    Raises:
        FileExistsError: One of them exists.
    """
    for path in paths:
        if not force and Path(path).exists():
            raise FileExistsError(f'{path} exists already; choose another name, or replace it '
                                  '(--force)')


def path_of_sample(root: str | os.PathLike, dataset: str, sample_name: str | None) -> Path:
    """Return ``<root>/<dataset>/<sample_name>.png``.

    Raises:
        ValueError: The name is none of a file below that folder.
    """
    folder = (Path(root) / dataset).resolve()
    path = (folder / f'{sample_name}.png').resolve()
    if not sample_name or folder not in path.parents:
        raise ValueError(f'sample_name {sample_name!r} of {dataset} is no name of a file below '
                         f'{folder}')
    return path


def write_ids(path: str | os.PathLike, ids: np.ndarray, num_ids: int) -> None:
    """Write a map of ids [H, W] as a PNG file, with 16 bits per pixel for more than 256 ids."""
    from PIL import Image  # here, as those who only write text do without it

    with replacing(path) as file:
        Image.fromarray(ids.astype(np.uint8 if num_ids <= 256 else np.uint16)).save(
            file, format='PNG')
