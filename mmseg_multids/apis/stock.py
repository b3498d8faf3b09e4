"""What plain MMSegmentation has, and configs that need nothing else."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence

import torch

from ..models.layers import DSBN
from ..registry import TRANSFORMS

#: What is there wherever MMSegmentation is.
_STOCK_PACKAGES = ('mmcv', 'mmengine', 'mmseg', 'torch')
#: Arguments of DSBN that BN lacks.
_DSBN_OPTIONS = sorted(set(inspect.signature(DSBN).parameters)
                       - set(inspect.signature(torch.nn.BatchNorm2d).parameters))


def plain_parts(part):
    """Make DSBN BN in a config, and drop weights to start from: a checkpoint has them all."""
    if isinstance(part, (list, tuple)):
        return [plain_parts(item) for item in part]
    if not isinstance(part, dict):
        return part
    part = {key: plain_parts(value) for key, value in part.items()
            if key != 'pretrained' and not (key == 'init_cfg' and _reads_a_file(value))}
    if isinstance(part.get('type'), type):
        part['type'] = part['type'].__name__
    if part.get('type') in ('DSBN', 'mmseg.DSBN'):
        part = {key: value for key, value in part.items() if key not in _DSBN_OPTIONS}
        part['type'] = 'BN'
    return part


def _reads_a_file(init_cfg: dict | Sequence[dict] | None) -> bool:
    entries = [init_cfg] if isinstance(init_cfg, dict) else init_cfg or ()
    return any(entry.get('type') == 'Pretrained' for entry in entries)


def typed_parts(part) -> Iterator[dict]:
    """All dicts that have a type, at any depth."""
    if isinstance(part, dict):
        if 'type' in part:
            yield part
        part = list(part.values())
    if isinstance(part, (list, tuple)):
        for item in part:
            yield from typed_parts(item)


def class_of(kind: str | type, registries: Sequence) -> type | None:
    """Return what a config's ``type`` is in the first registry that has it."""
    if not isinstance(kind, str):
        return kind
    return next((found for registry in registries if (found := registry.get(kind))), None)


def is_stock(cls: type | None) -> bool:
    """Whether a class is there without this package."""
    return cls is None or cls.__module__.partition('.')[0] in _STOCK_PACKAGES


def refuse_unless_stock(entry: dict, registries: Sequence, where: str) -> None:
    """Refuse a part that plain MMSegmentation lacks.

    Raises:
        TypeError: It is not there; it is named.
    """
    cls = class_of(entry['type'], registries)
    if cls is None and registries == (TRANSFORMS,):
        raise TypeError(f'{where} has {entry["type"]}, which is not registered')
    if not is_stock(cls):
        raise TypeError(f'{where} has {entry["type"]} ({cls.__module__}.{cls.__name__}), which is '
                        'not in plain MMSegmentation; use a part of MMSegmentation, MMCV or '
                        'MMEngine in its place')
