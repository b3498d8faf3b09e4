"""Finding and reading JSON files that are named in configs."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path


def find_file(file: str | os.PathLike, shipped: Path, argument: str, what: str) -> Path:
    """Return the path of a JSON file: as given, else a bare name among the shipped files.

    Args:
        file: Path or bare name.
        shipped: The folder of those that come with the package.
        argument: What names it in a config, for errors.
        what: What it holds, for errors.

    Raises:
        FileNotFoundError: There is none; what was looked for and what is shipped is listed.
        ValueError: ``file`` is no file name.
    """
    if not isinstance(file, (str, os.PathLike)) or not str(file):
        raise ValueError(f'{argument} needs a file name, got {file!r}')
    path = Path(file)
    candidates = [path] + ([shipped / path] if path.name == str(path) else [])
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    looked = ', '.join(str(c.absolute()) for c in candidates)
    raise FileNotFoundError(f'no {what} {str(file)!r}: looked for {looked}. Give the path of a '
                            f'JSON file, or one of {", ".join(shipped_files(shipped))}')


def shipped_files(folder: Path) -> list[str]:
    """Return the names of the JSON files in a folder of the package."""
    return sorted(path.name for path in folder.glob('*.json'))


def read_json(path: Path) -> object:
    """Read a JSON file in which no object names a key twice.

    Raises:
        ValueError: The file is no text or no JSON, or repeats a key; the file is named.
    """
    try:
        text = path.read_text(encoding='utf-8')
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is no text in UTF-8: {error}') from error
    try:
        return json.loads(text, object_pairs_hook=_without_repetition)
    except json.JSONDecodeError as error:
        raise ValueError(f'{path} is no JSON: {error}') from error
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error


def check_keys(data: object, needed: Sequence[str], allowed: Sequence[str], what: str) -> dict:
    """Return the content of a file if it is an object with these keys.

    Args:
        data: The content.
        needed: Keys that must be there.
        allowed: Keys that may be there.
        what: What the file is, for errors.

    Raises:
        ValueError: It is no object, has another key, or lacks one.
    """
    if not isinstance(data, dict):
        raise ValueError(f'the content is a {type(data).__name__}; an object is needed')
    for key in data:
        if key not in allowed:
            raise ValueError(f'unknown key {key!r}; allowed: {", ".join(allowed)}')
    for key in needed:
        if key not in data:
            raise ValueError(f'{what} needs the key {key!r}; needed: {", ".join(needed)}')
    return data


def _without_repetition(pairs: list[tuple[str, object]]) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'an object names {repeated!r} twice')
    return found
