"""Comparing class names across datasets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from .space import LabelSpace


def normalise_name(name: str) -> str:
    """Return a class name without case, ``_``, ``-``, extra blanks and Unicode's double spellings.

    >>> normalise_name('Traffic_Sign-Front ')
    'traffic sign front'
    """
    return re.sub(r'[\s_\-]+', ' ', unicodedata.normalize('NFKC', name)).strip().casefold()


def find_classes(entry: str, spaces: Sequence[LabelSpace]) -> list[tuple[int, int]]:
    """Find the classes that a name in a config means.

    Args:
        entry: A class name, which means that class in every dataset, or ``dataset/class``.
        spaces: Label spaces to look in.

    Returns:
        (index of the space, class id) of each class found. An entry that fits both ways, because a
        class name has a slash in it, means ``dataset/class``.
    """
    dataset, slash, name = entry.partition('/')
    specific = [c for c in _named(name, spaces) if spaces[c[0]].name == dataset] if slash else []
    return specific or _named(entry, spaces)


def _named(name: str, spaces: Sequence[LabelSpace]) -> list[tuple[int, int]]:
    wanted = normalise_name(name)
    return [(s, i) for s, space in enumerate(spaces) for i, c in enumerate(space.classes)
            if normalise_name(c) == wanted]


def check_groups(groups: Sequence[Sequence[str]] | None, argument: str,
                 least: int = 1) -> list[list[str]]:
    """Return groups of names as lists.

    Args:
        groups: Such as ``[['person', 'pedestrian'], ['city/wall', 'asia/barrier']]``.
        argument: Its name, for errors.
        least: Least number of names in a group.

    Raises:
        ValueError: A text where a list is needed, a group that is too small, or no name.
    """
    if isinstance(groups, str):
        raise ValueError(f'{argument} is a list of groups of names, got the text {groups!r}')
    for group in groups or ():
        if isinstance(group, str):
            raise ValueError(f'{argument} is a list of groups of names, got the text {group!r}')
        wrong = [entry for entry in group if not isinstance(entry, str)]
        if wrong:
            raise ValueError(f'{argument} has the group {list(group)}; names are needed, got '
                             f'{wrong[0]!r}')
        if not group:
            raise ValueError(f'{argument} has an empty group')
        if len(group) < least:
            raise ValueError(f'{argument} has the group {list(group)}; at least two names are '
                             'needed')
    return [list(group) for group in groups or ()]


def match_by_name(source: LabelSpace, target: LabelSpace,
                  aliases: Sequence[Sequence[str]] | None = None) -> np.ndarray:
    """Find for each class of ``source`` the class of ``target`` with the same name.

    Args:
        source: Label space with L classes.
        target: Label space to look in.
        aliases: Groups of names that mean the same, as in :func:`unify_by_name`; names that
            neither space has are allowed, and groups that share a name join.

    Returns:
        Ids in ``target``, or -1 where no name matches. An equal name comes before an alias, a
        smaller id before a larger one. Shape [L], int64.
    """
    known: dict[str, int] = {}
    for i, name in enumerate(target.classes):
        known.setdefault(normalise_name(name), i)
    found = np.array([known.get(normalise_name(name), -1) for name in source.classes],
                     dtype=np.int64)
    for group in _joined(check_groups(aliases, 'aliases', least=2)):
        members = sorted({m for entry in group.values()
                          for m in find_classes(entry, (source, target))})
        targets = [i for space, i in members if space == 1]
        for space, i in members:
            if space == 0 and found[i] < 0 and targets:
                found[i] = targets[0]
    return found


def _joined(groups: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    """Join groups that share a name; each is {normalised entry: entry}."""
    joined: list[dict[str, str]] = []
    for group in groups:
        new = {normalise_name(entry): entry for entry in group}
        touching = [g for g in joined if g.keys() & new.keys()]
        joined = [g for g in joined if g not in touching]
        for other in touching:
            new = {**other, **new}
        joined.append(new)
    return joined
