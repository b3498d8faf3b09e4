"""Finding a dataset's folder."""

from __future__ import annotations

import os
from pathlib import Path

#: Environment variable that names the folder in which all datasets lie.
DATA_ROOT_VARIABLE = 'MULTIDS_DATA_ROOT'


def resolve_data_root(data_root: str | os.PathLike) -> str:
    """Return the folder of a dataset.

    A relative path is looked for in ``$MULTIDS_DATA_ROOT``, then in ``data/``, then as it is; an
    absolute path is taken as it is.

    Raises:
        FileNotFoundError: None of them is a folder; all are listed.
    """
    path = Path(data_root)
    candidates = _candidates(path)
    for candidate in candidates:
        if candidate.is_dir():
            return str(candidate)
    if path.is_absolute():
        wrong = 'is a file' if path.exists() else 'does not exist'
        raise FileNotFoundError(
            f'no folder for data_root={str(data_root)!r}: it {wrong}. An absolute path is taken as '
            'it is: correct it')
    looked = ', '.join(str(c.absolute()) for c in candidates)
    unset = '' if os.environ.get(DATA_ROOT_VARIABLE) else f' ({DATA_ROOT_VARIABLE} is not set)'
    raise FileNotFoundError(
        f'no folder for data_root={str(data_root)!r}: looked for {looked}{unset}. Set '
        f'{DATA_ROOT_VARIABLE} to the folder that holds {path.name!r}, or link it as data/{path}')


def resolve_path(path: str | os.PathLike) -> str:
    """Return a file, or else a folder, looked for as :func:`resolve_data_root` does.

    Raises:
        FileNotFoundError: There is neither; the places are listed.
    """
    file = next((place for place in _candidates(Path(path)) if place.is_file()), None)
    return resolve_data_root(path) if file is None else str(file)


def _candidates(path: Path) -> list[Path]:
    """Return where a file or folder may lie, best first."""
    root = os.environ.get(DATA_ROOT_VARIABLE)
    if path.is_absolute():
        return [path]
    return ([Path(root) / path] if root else []) + [Path('data') / path, path]
