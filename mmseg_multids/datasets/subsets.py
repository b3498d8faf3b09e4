"""Lists of a dataset's images that training is restricted to, such as few labelled ones."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..files import replacing

_FORMAT = 'mmseg_multids subset 1'


class Subset(NamedTuple):
    """A list of images.

    Attributes:
        path: Its file.
        names: What the images are called: their paths below the folder of images, no suffix.
        about: What the header says, with ``dataset``, ``split`` and ``hash``; empty for a list
            without one.
    """

    path: str
    names: tuple[str, ...]
    about: dict


def write_subset(path: str | os.PathLike, dataset: str, split: str | None, names: Sequence[str],
                 **about) -> None:
    """Write a list of images: a header, then a name per line.

    Args:
        path: File to write: whole, or not at all.
        dataset: Name of the dataset's entry.
        split: Its split.
        names: What the images are called, as :meth:`.MultiDataset.sample_name` says.
        **about: What else the header says; plain JSON.
    """
    header = {'format': _FORMAT, 'dataset': dataset, 'split': split, 'images': len(names),
              **about, 'hash': hash_of(names)}
    with replacing(path) as file:
        file.write_text('\n'.join([f'# {json.dumps(header, ensure_ascii=False)}', *names]) + '\n',
                        encoding='utf-8')


def read_subset(path: str | os.PathLike, data_root: str | os.PathLike | None = None) -> Subset:
    """Read a list of images.

    Lists that :func:`write_subset` wrote have a header with a hash of the names. Others, such as a
    benchmark's own, need none: a name per line; lines that are empty or begin with ``#`` do not
    count.

    Args:
        path: The file. A relative path starts from the working directory, or else from
            ``data_root``.
        data_root: The dataset's folder.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: An image is listed twice, none is, or the names are not those that were written.
    """
    candidates = [Path(path)] + ([Path(data_root) / path] if data_root else [])
    file = next((candidate for candidate in candidates if candidate.is_file()), None)
    if file is None:
        raise FileNotFoundError(f'list of images {path} does not exist; looked for '
                                f'{" and ".join(map(str, candidates))}. tools/few_shot.py makes '
                                'one')
    lines = [line.strip() for line in file.read_text(encoding='utf-8').splitlines()]
    names = tuple(line for line in lines if line and not line.startswith('#'))
    if not names:
        raise ValueError(f'list of images {file} names no image')
    if len(set(names)) < len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise ValueError(f'list of images {file} names {twice!r} twice; each image may stand in it '
                         'once')
    about = _header(lines[0])
    if about and about.get('hash') != hash_of(names):
        raise ValueError(f'list of images {file} is not as it was written: its names do not have '
                         'the hash in its first line. Write it again with tools/few_shot.py; a '
                         'list of your own has no such line')
    return Subset(str(file), names, about)


def subset_file(entry: Mapping, split: str | None) -> str | None:
    """Return the file that the ``subset`` of a dataset's entry names for a split, else ``None``.

    Args:
        entry: The entry. Its ``subset``, or that of the split itself, is a file, or ``{split:
            file}``.
        split: The split.

    Raises:
        ValueError: A split that the entry does not have.
    """
    splits = entry.get('splits') or {}
    option = (splits.get(split) or {}).get('subset', entry.get('subset'))
    if not isinstance(option, Mapping):
        return option
    unknown = [name for name in option if name not in splits]
    if unknown:
        known = f'its splits are {", ".join(splits)}' if splits else 'it has no splits'
        raise ValueError(f'dataset {entry.get("name")!r} has a subset of split {unknown[0]!r}; '
                         f'{known}')
    return option.get(split)


def positions_in(subset: Subset, images: Sequence[str], dataset: str,
                 split: str | None = None) -> list[int]:
    """Return where the images of a list stand in a dataset, in the dataset's order.

    Args:
        subset: The list.
        images: What each of the dataset's images is called.
        dataset: Name of the dataset, for errors.
        split: The split that is built, for errors.

    Raises:
        ValueError: The list is of another split, or names what is no image; the first is named.
    """
    own = subset.about.get('split')
    if own is not None and split is not None and own != split:
        raise ValueError(f'dataset {dataset}: list of images {subset.path} is of split {own!r}, '
                         f'this is {split!r}; to restrict one split write subset=dict({own}=FILE)')
    known = {name: i for i, name in enumerate(images)}
    unknown = [name for name in subset.names if name not in known]
    if unknown:
        example = f'; images are called {min(images)!r} and so on' if images else ''
        raise ValueError(f'dataset {dataset}: list of images {subset.path} names {unknown[0]!r}, '
                         f'which is no image of it ({len(unknown)} of {len(subset.names)} names '
                         f'are none){example}')
    return sorted(known[name] for name in subset.names)


def hash_of(names: Sequence[str]) -> str:
    """Return a hash of names in their order."""
    return hashlib.sha256('\n'.join(names).encode()).hexdigest()


def _header(line: str) -> dict:
    if not line.startswith('# {'):
        return {}
    try:
        about = json.loads(line[2:])
    except ValueError:
        return {}
    return about if isinstance(about, dict) and about.get('format') == _FORMAT else {}
