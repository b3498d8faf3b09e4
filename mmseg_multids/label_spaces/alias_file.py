"""Aliases in a file, for mixes of some of the datasets that it is about.

An alias file is JSON::

    {"datasets": ["idd", "mapillary", ...],
     "aliases": [["idd/drivable fallback", "mapillary/Parking"], ...],
     "notes": {"idd/drivable fallback": "why it goes there"}}

Every name is ``dataset/class``, so that it is known which entries a mix can do without: those of
the file's ``datasets`` that are not in the mix. ``notes`` may be left out.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .json_files import check_keys, find_file, read_json, shipped_files
from .names import check_groups, normalise_name
from .space import LabelSpace

#: The folder of the alias files that come with the package.
ALIASES = Path(__file__).parent / 'aliases'

_NEEDED = ('datasets', 'aliases')
_ALLOWED = (*_NEEDED, 'notes')


@dataclass(frozen=True)
class AliasFile:
    """Groups of names that merge.

    Attributes:
        path: The file it was read from.
        datasets: Names of the datasets that it is about.
        groups: ``dataset/class`` names; each group becomes one node.
    """

    path: str
    datasets: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]

    def among(self, spaces: Sequence[LabelSpace]) -> list[list[str]]:
        """Return the groups without the datasets that are not in the mix.

        Args:
            spaces: Label spaces of the datasets in the mix.

        Raises:
            ValueError: The file is about none of them, or names a class that one does not have.
        """
        mix = {space.name: space for space in spaces}
        if not set(self.datasets) & set(mix):
            raise ValueError(f'{self.path} is about {", ".join(self.datasets)}; none is in the '
                             f'mix, which has {", ".join(mix)}. Call the datasets as the file '
                             'does, or give another file')
        groups = [[entry for entry in group if entry.partition('/')[0] in mix]
                  for group in self.groups]
        for entry in (entry for group in groups for entry in group):
            dataset, _, name = entry.partition('/')
            if normalise_name(name) not in map(normalise_name, mix[dataset].classes):
                raise ValueError(f'{self.path} names {entry!r}; {dataset} has no such class, it '
                                 f'has {", ".join(mix[dataset].classes)}')
        return [group for group in groups if len(group) > 1]


def resolve_aliases(aliases: str | os.PathLike | Sequence[Sequence[str]] | None,
                    spaces: Sequence[LabelSpace]) -> Sequence[Sequence[str]] | None:
    """Return groups of names: as given, or those of a file that a mix can use.

    Args:
        aliases: Groups, or a file as in :func:`read_alias_file`.
        spaces: Label spaces of the datasets in the mix.

    Raises:
        FileNotFoundError: As :func:`read_alias_file`.
        ValueError: As :func:`read_alias_file` and :meth:`AliasFile.among`.
    """
    if not isinstance(aliases, (str, os.PathLike)):
        return aliases
    return read_alias_file(aliases).among(spaces)


def shipped_alias_files() -> list[str]:
    """Return the names of the alias files that come with the package."""
    return shipped_files(ALIASES)


def read_alias_file(file: str | os.PathLike) -> AliasFile:
    """Read and check an alias file.

    Args:
        file: A path, or the bare name of a file that comes with the package.

    Raises:
        FileNotFoundError: There is none; what was looked for and what is shipped is listed.
        ValueError: The file is no JSON or no alias file; file, key and value are named.
    """
    path = find_file(file, ALIASES, 'aliases', 'alias file')
    data = read_json(path)
    try:
        return _parse(str(path), data)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error


def _parse(path: str, data: object) -> AliasFile:
    data = check_keys(data, _NEEDED, _ALLOWED, 'an alias file')
    datasets = data['datasets']
    if not isinstance(datasets, list) or not datasets or not all(
            isinstance(name, str) and name.strip() for name in datasets):
        raise ValueError(f'datasets is {datasets!r}; a list of names is needed')
    if not isinstance(data['aliases'], list) or not all(
            isinstance(group, (list, str)) for group in data['aliases']):
        raise ValueError(f'aliases is {data["aliases"]!r}; a list of groups of names is needed')
    groups = check_groups(data['aliases'], 'aliases', least=2)
    entries = {entry for group in groups for entry in group}
    for entry in sorted(entries):
        dataset, slash, name = entry.partition('/')
        if not slash or dataset not in datasets or not name.strip():
            raise ValueError(f'aliases has {entry!r}; in a file every name is dataset/class, with '
                             f'one of the datasets {", ".join(datasets)}')
    notes = data.get('notes', {})
    if not isinstance(notes, dict):
        raise ValueError(f'notes is {notes!r}; an object {{"<dataset/class>": "<text>"}} is needed')
    for name in notes:
        if name not in entries:
            raise ValueError(f'notes names {name!r}, which is not among the aliases')
    return AliasFile(path, tuple(datasets), tuple(map(tuple, groups)))
