"""Label remapping: the classes of one dataset turned into those of another.

A mapping is a JSON file::

    {"source": "camvid", "target": "cityscapes",
     "target_classes": ["road", "sidewalk", ...],
     "target_palette": [[128, 64, 128], ...],
     "classes": {"Sky": "sky", "Bicyclist": "rider", ...},
     "notes": {"Bicyclist": "why it goes there"}}

``classes`` names every class of the source; ``null`` leaves it without a label. Several may go to
one class of the target. ``target_palette`` and ``notes`` may be left out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .json_files import check_keys, find_file, read_json, shipped_files
from .space import LabelSpace

#: The folder of the mappings that come with the package.
MAPPINGS = Path(__file__).parent / 'mappings'

IGNORE_INDEX = 255

#: Stands for stored ids that are no class of the source; never a class of the target.
INVALID_ID = 254

_NEEDED = ('source', 'target', 'target_classes', 'classes')
_ALLOWED = (*_NEEDED, 'target_palette', 'notes')


@dataclass(frozen=True)
class LabelRemap:
    """Where each class of a source goes in a target.

    Attributes:
        path: The file it was read from.
        source: Name of the source.
        target: Label space of the target.
        classes: Class of the target, or None, of each class of the source.
        notes: Why doubtful classes go where they go.
    """

    path: str
    source: str
    target: LabelSpace
    classes: Mapping[str, str | None]
    notes: Mapping[str, str]

    def ids(self, source_classes: Sequence[str]) -> np.ndarray:
        """Return the target's id of each class of the source, 255 for none.

        Args:
            source_classes: The L classes of the source, in the order of their ids.

        Returns:
            Shape [L], int64.

        Raises:
            ValueError: The mapping does not list exactly these classes; missing and unknown ones
                are listed.
        """
        missing = [c for c in source_classes if c not in self.classes]
        unknown = [c for c in self.classes if c not in source_classes]
        if missing or unknown:
            found = '; '.join(f'{what}: {", ".join(map(repr, names))}' for what, names in (
                ('classes that are not listed', missing), ('listed but unknown', unknown)) if names)
            raise ValueError(f'{self.path} (from {self.source}) does not fit the dataset: {found}. '
                             'List every class once, with null for those that have no label; the '
                             f'dataset has {", ".join(source_classes)}')
        targets = [self.classes[name] for name in source_classes]
        return np.array([IGNORE_INDEX if target is None else self.target.index(target)
                         for target in targets], dtype=np.int64)

    def label_map(self, source_classes: Sequence[str],
                  own: Mapping[int, int] | None = None) -> dict[int, int]:
        """Return the target's id of each stored id that changes, as MMSegmentation's ``label_map``.

        A stored id that is no class of the source never becomes one of the target: where the
        target has more classes it is turned into :data:`INVALID_ID`.

        Args:
            source_classes: As in :meth:`ids`.
            own: The dataset's own ``label_map`` from stored ids to ids of the source.
        """
        ids = self.ids(source_classes)
        own = own or {}
        count = max(len(ids), self.target.num_classes, *(stored + 1 for stored in own))
        new_id = {}
        for stored in range(min(count, IGNORE_INDEX)):
            class_id = own.get(stored, stored)
            if class_id < len(ids):
                new_id[stored] = int(ids[class_id])
            else:
                new_id[stored] = IGNORE_INDEX if class_id == IGNORE_INDEX else INVALID_ID
        return {stored: new for stored, new in new_id.items() if new != stored}


def shipped_mappings() -> list[str]:
    """Return the names of the mappings that come with the package."""
    return shipped_files(MAPPINGS)


def find_mapping(file: str | os.PathLike) -> Path:
    """Return the path of a mapping: as given, else a bare name among the shipped files.

    Raises:
        FileNotFoundError: There is none; what was looked for and what is shipped is listed.
        ValueError: ``file`` is no file name.
    """
    return find_file(file, MAPPINGS, 'remap', 'mapping')


def read_remap(file: str | os.PathLike) -> LabelRemap:
    """Read and check a mapping.

    Args:
        file: As in :func:`find_mapping`.

    Raises:
        FileNotFoundError: As :func:`find_mapping`.
        ValueError: The file is no JSON or no mapping; file, key and value are named.
    """
    path = find_mapping(file)
    data = read_json(path)
    try:
        return _parse(str(path), data)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error


def _parse(path: str, data: object) -> LabelRemap:
    data = check_keys(data, _NEEDED, _ALLOWED, 'a mapping')
    for key in ('source', 'target'):
        if not isinstance(data[key], str) or not data[key].strip():
            raise ValueError(f'{key} is {data[key]!r}; the name of a dataset is needed')
    target = _target(data)
    _check_classes(data['classes'], data['source'], target)
    return LabelRemap(path, data['source'], target, data['classes'], _notes(data))


def _target(data: dict) -> LabelSpace:
    names = data['target_classes']
    if not isinstance(names, (list, str)):
        raise ValueError(f'target_classes is {names!r}; a list of names is needed')
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        raise ValueError(f'target_classes has {wrong[0]!r}; names are needed')
    if len(names) > INVALID_ID:
        raise ValueError(f'{len(names)} target_classes; at most {INVALID_ID} fit beside the ids '
                         'for no label and for what the source does not have')
    try:
        return LabelSpace(data['target'], names, data.get('target_palette'))
    except TypeError as error:  # such as a number where a colour should be
        raise ValueError(f'target_palette: {error}; a list of [red, green, blue] is needed'
                         ) from error


def _check_classes(classes: object, source: str, target: LabelSpace) -> None:
    if not isinstance(classes, dict):
        raise ValueError(f'classes is {classes!r}; an object {{"<class of the source>": "<class of '
                         'the target>" or null}} is needed')
    for name, goes_to in classes.items():
        if goes_to is not None and not isinstance(goes_to, str):
            raise ValueError(f'{name!r} goes to {goes_to!r}; the name of a target class, or null, '
                             'is needed')
    known = {name: goes_to for name, goes_to in classes.items() if goes_to is not None}
    wrong = [f'{n!r} to {t!r}' for n, t in known.items() if t not in target.classes]
    if wrong:
        raise ValueError(f'classes sends {", ".join(wrong)}; target_classes has no such class, it '
                         f'has {", ".join(target.classes)}')
    if not known:
        raise ValueError(f'no class of {source} goes to a class of {target.name}; nothing would '
                         'be labelled')


def _notes(data: dict) -> dict[str, str]:
    notes = data.get('notes', {})
    if not isinstance(notes, dict):
        raise ValueError(f'notes is {notes!r}; an object {{"<class of the source>": "<text>"}} is '
                         'needed')
    for name in notes:
        if name not in data['classes']:
            raise ValueError(f'notes names {name!r}, which is not among the classes')
    return notes
