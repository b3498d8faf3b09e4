"""Comparing class names across datasets."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from .space import LabelSpace


def normalise_name(name: str) -> str:
    """Return a class name without case, ``_``, ``-`` and extra blanks.

    >>> normalise_name('Traffic_Sign-Front ')
    'traffic sign front'
    """
    return re.sub(r'[\s_\-]+', ' ', name).strip().casefold()


class AliasTable:
    """Groups of names that mean the same class.

    Args:
        aliases: Groups such as ``[['person', 'pedestrian'], ['city/wall', 'asia/barrier']]``. An
            entry may be a class name or ``dataset/class``. Groups that share an entry join.

    Raises:
        ValueError: A group is no list of at least two names.
    """

    def __init__(self, aliases: Sequence[Sequence[str]] | None = None) -> None:
        self._parent: dict[str, str] = {}
        for group in aliases or ():
            if isinstance(group, str) or len(group) < 2:
                raise ValueError(f'an alias group is a list of at least two names, got {group!r}')
            first, *others = (normalise_entry(entry) for entry in group)
            for other in others:
                self._parent[self._root(other)] = self._root(first)

    def _root(self, key: str) -> str:
        while self._parent.get(key, key) != key:
            key = self._parent[key]
        return key

    def key(self, dataset: str, class_name: str) -> str:
        """Return a key that is the same for all classes that the names merge."""
        specific = f'{dataset}/{normalise_name(class_name)}'
        plain = normalise_name(class_name)
        return self._root(specific if specific in self._entries else plain)

    @property
    def _entries(self) -> set[str]:
        return set(self._parent) | set(self._parent.values())


def normalise_entry(entry: str) -> str:
    """Normalise the class part of ``class`` or ``dataset/class``."""
    dataset, slash, name = entry.partition('/')
    return f'{dataset}/{normalise_name(name)}' if slash else normalise_name(entry)


def match_by_name(source: LabelSpace, target: LabelSpace,
                  aliases: Sequence[Sequence[str]] | None = None) -> np.ndarray:
    """Find for each class of ``source`` the class of ``target`` with the same name.

    Args:
        source: Label space with L classes.
        target: Label space to look in.
        aliases: As in :class:`AliasTable`.

    Returns:
        Ids in ``target``, or -1 where no name matches. Shape [L], int64.
    """
    table = AliasTable(aliases)
    known: dict[str, int] = {}
    for i, name in enumerate(target.classes):
        known.setdefault(table.key(target.name, name), i)
    return np.array([known.get(table.key(source.name, name), -1) for name in source.classes],
                    dtype=np.int64)
