"""Building a unified label space from a config."""

from __future__ import annotations

from collections.abc import Sequence

from .alias_file import resolve_aliases
from .space import LabelSpace
from .text_clusters import unify_by_text
from .unified import UnifiedLabelSpace
from .unify import unify_by_name, unify_disjoint


def build_label_space(cfg: dict | None, spaces: Sequence[LabelSpace]) -> UnifiedLabelSpace:
    """Build the label space that a config describes.

    Args:
        cfg: ``dict(type='disjoint')`` (default), ``dict(type='by_name', aliases=...,
            keep_apart=...)``, ``dict(type='by_text', similarity=...)`` (see
            :func:`.text_clusters.unify_by_text`), or ``dict(type='file', path=...)`` for a file of
            :meth:`UnifiedLabelSpace.to_json`. ``aliases`` are groups of names, or a file of
            :mod:`mmseg_multids.label_spaces.alias_file`.
        spaces: Label spaces of the datasets in the mix.

    Raises:
        ValueError: Unknown type or argument, or the file is about other datasets or classes.
        FileNotFoundError: There is no such alias file.
    """
    arguments = dict(cfg or {})
    kind = arguments.pop('type', 'disjoint')
    allowed = {'disjoint': (), 'by_name': ('aliases', 'keep_apart'), 'file': ('path',),
               'by_text': ('similarity', 'encoder', 'descriptions', 'features', 'cache')}
    if kind not in allowed:
        raise ValueError(f'label_space type {kind!r} is not known; allowed: {", ".join(allowed)}')
    unknown = sorted(set(arguments) - set(allowed[kind]))
    if unknown:
        raise ValueError(f'label_space of type {kind!r} has no argument {unknown[0]!r}; allowed: '
                         f'{", ".join(allowed[kind]) or "none"}. If it comes of a base config, '
                         'set _delete_=True beside the type')
    if kind == 'disjoint':
        return unify_disjoint(spaces)
    if kind == 'by_name':
        aliases = resolve_aliases(arguments.pop('aliases', None), spaces)
        return unify_by_name(spaces, aliases, **arguments)
    if kind == 'by_text':
        return unify_by_text(spaces, **arguments)
    if 'path' not in arguments:
        raise ValueError("label_space of type 'file' needs the `path` of the file")
    stored = UnifiedLabelSpace.from_json(arguments['path'])
    differences = _space_differences(stored, spaces)
    if differences:
        raise ValueError(f'{arguments["path"]} is about other datasets than the config (from the '
                         'file to the config):\n  ' + '\n  '.join(differences))
    return stored


def _space_differences(stored: UnifiedLabelSpace, spaces: Sequence[LabelSpace]) -> list[str]:
    """Compare datasets and classes alone, whatever the nodes are."""
    return unify_disjoint(list(stored.spaces.values())).differences(unify_disjoint(spaces))
