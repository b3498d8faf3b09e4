"""The backbone of a trained model, as weights that other models start from."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import WEIGHT_INITIALIZERS
from torch import Tensor, nn

from ..files import check_new, replacing
from ..models.context import MEAN, DatasetContext
from ..models.layers import (
    bind_dsbn,
    convert_to_dsbn,
    names_from_bytes,
    plain_state_dict,
)
from ..registry import MODELS
from .stock import plain_parts, refuse_unless_stock, typed_parts
from .trained import config_in, name_of, read_checkpoint, read_config

#: Where a backbone's weights stand, the first that is there: in a pretrainer, whose momentum
#: encoder is only there to train it, and in a segmentor.
PREFIXES = ('encoder.backbone.', 'backbone.')


class ExportedBackbone(NamedTuple):
    """What was written."""

    checkpoint: Path
    #: Number of tensors.
    tensors: int
    #: Largest difference between the feature maps of both backbones, on a random image.
    difference: float


def export_backbone(checkpoint: str | Path, out: str | Path | None = None,
                    config: str | Path | Config | None = None, norm: str | None = None,
                    cfg_options: dict | None = None, force: bool = False) -> ExportedBackbone:
    """Write the weights of a model's backbone alone.

    Their names have no prefix, so that any config of MMSegmentation starts from the file with
    ``backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=FILE))``. MMEngine loads such files
    leniently: weights that do not fit are only named in the log. Hence all of them are loaded
    strictly here, into the backbone as plain MMSegmentation has it, and its feature maps of a
    random image are compared with those of the trained one. The rest of the model is not built.

    Args:
        checkpoint: Checkpoint of a segmentor or of a pretrainer, whose query encoder's backbone it
            is that is written.
        out: File to write. Default: ``backbone.pth`` beside the checkpoint.
        config: Config or file that it was trained with. Default: the one in the checkpoint.
        norm: Whose statistics and parameters of dataset-specific batch norms to keep, or
            ``'mean'``. Must be said where there are some.
        cfg_options: Keys of the config to override.
        force: Replace an existing file.

    Raises:
        FileExistsError: ``out`` exists, and ``force`` is not set.
        FileNotFoundError: Config or checkpoint does not exist.
        TypeError: The backbone is not in plain MMSegmentation.
        ValueError: There is no backbone, or no config; the weights do not fit the config, or are
            not finite; a ``norm`` that is unknown, missing or of no use; an unfit ``out``.
        RuntimeError: The feature maps differ.
    """
    target = _target(checkpoint, out)
    check_new([target], force)
    stored = read_checkpoint(checkpoint)
    cfg = config_in(stored) if config is None else read_config(config)
    if cfg is None:
        raise ValueError(f'checkpoint {checkpoint} does not hold its config; name the config that '
                         'it was trained with (--config FILE)')
    cfg.merge_from_dict(dict(cfg_options or {}))
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    where = 'the config in it' if config is None else name_of(cfg)
    prefix, state = _backbone_state(checkpoint, stored['state_dict'])
    trained, context, own_cfg = _trained_backbone(cfg, where, checkpoint, state)
    norm = _checked_norm(context, norm)

    plain_cfg = plain_parts(own_cfg)
    for entry in typed_parts(plain_cfg):
        refuse_unless_stock(entry, (MODELS, WEIGHT_INITIALIZERS), 'the backbone')
    plain = MODELS.build(copy.deepcopy(plain_cfg))
    plain.load_state_dict(plain_state_dict(trained, norm), strict=True)
    difference = _compare(trained, context, plain, norm)
    written = plain.state_dict()
    meta = {'description': 'weights of a backbone alone, written by tools/export.py --backbone',
            'source': Path(checkpoint).name, 'prefix': prefix, 'norm': norm, 'backbone': plain_cfg,
            'data_preprocessor': plain_parts(_plain(cfg.model.get('data_preprocessor')))}
    with replacing(target) as file:
        torch.save({'meta': meta, 'state_dict': written}, file)
    return ExportedBackbone(target, len(written), difference)


def _target(checkpoint: str | Path, out: str | Path | None) -> Path:
    if out is None:
        if '://' in str(checkpoint):
            raise ValueError(f'checkpoint {checkpoint} is no file with a folder beside it; name '
                             'the file to write (--out FILE)')
        out = Path(checkpoint).parent / 'backbone.pth'
    out = Path(out)
    if out.is_dir():
        raise ValueError(f'--out {out} is a folder; a backbone is one file: name it')
    if out.resolve() == Path(checkpoint).resolve():
        raise ValueError(f'{out} is the checkpoint itself, which would be lost; name another file '
                         'with --out')
    return out


# ------------------------------------------------------------------ the trained backbone


def _backbone_state(checkpoint: str | Path,
                    state: Mapping[str, Tensor]) -> tuple[str, dict[str, Tensor]]:
    """Return where the backbone stands in a state dict, and its weights without that prefix."""
    for prefix in PREFIXES:
        found = {key[len(prefix):]: value for key, value in state.items()
                 if key.startswith(prefix)}
        if found:
            broken = [key for key, value in found.items()
                      if value.is_floating_point() and not value.isfinite().all()]
            if broken:
                raise ValueError(f'checkpoint {checkpoint}: {len(broken)} tensors of the backbone '
                                 f'are not finite ({prefix}{broken[0]}, ...): the training '
                                 'diverged; take an earlier checkpoint')
            return prefix, found
    first = sorted({key.partition('.')[0] for key in state})[:6]
    raise ValueError(f'checkpoint {checkpoint} has no backbone: no weight begins with '
                     f'{" or ".join(PREFIXES)}; it has {", ".join(first) or "no weights"}')


def _trained_backbone(cfg: Config, where: str, checkpoint: str | Path, state: dict[str, Tensor],
                      ) -> tuple[nn.Module, DatasetContext | None, dict]:
    """Build the backbone as it was trained, with its weights.

    Returns:
        The backbone; the context of its dataset-specific batch norms, if it has some; its config.
    """
    model = _plain(cfg.get('model')) or {}
    # A pretrainer may hold the config of the network that it trains in one of its own.
    holders = [model, *(part for part in (model.get('encoder'), model.get('segmentor'))
                        if isinstance(part, dict))]
    holder = next((part for part in holders if isinstance(part.get('backbone'), dict)), None)
    if holder is None:
        raise ValueError(f'{where}: the model has no backbone; name the config that '
                         f'{Path(checkpoint).name} was trained with (--config FILE)')
    backbone = MODELS.build(copy.deepcopy(holder['backbone']))
    rows = next((value for key, value in state.items() if key.endswith('.dataset_names')), None)
    context = None
    if rows is not None:
        context = DatasetContext(names_from_bytes(rows))
        options = holder.get('dataset_norm', model.get('dataset_norm'))
        if options is not None:
            convert_to_dsbn(backbone, context, **options)
        bind_dsbn(backbone, context)
    try:
        backbone.load_state_dict(dict(state), strict=True)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f'the backbone in checkpoint {checkpoint} does not fit {where}: '
                         f'{error}') from error
    return backbone, context, holder['backbone']


def _checked_norm(context: DatasetContext | None, norm: str | None) -> str | None:
    if context is None:
        if norm is not None:
            raise ValueError(f'norm={norm!r}: the backbone has no dataset-specific batch norms to '
                             'choose from; leave it out')
        return None
    known = (*context.datasets, MEAN)
    if norm is None:
        raise ValueError('the backbone has dataset-specific batch norms, of which other models '
                         f'take one set: say whose with --norm ({", ".join(known)})')
    if norm not in known:
        raise ValueError(f'norm={norm!r}: allowed are {", ".join(known)}')
    return norm


def _plain(part):
    """Return a config's part in plain Python types."""
    return part.to_dict() if hasattr(part, 'to_dict') else part


# ------------------------------------------------------------------ the check


@torch.no_grad()
def _compare(trained: nn.Module, context: DatasetContext | None, plain: nn.Module,
             norm: str | None) -> float:
    for backbone in (trained, plain):
        backbone.eval()  # MMSegmentation's ResNet returns nothing
    image = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    theirs = _maps(plain(image))
    if context is None:
        ours = _maps(trained(image))
    else:
        with context.batch(None, None, [norm]):
            ours = _maps(trained(image))
    if len(ours) != len(theirs) or any(a.shape != b.shape for a, b in zip(ours, theirs)):
        raise RuntimeError('the exported backbone has other feature maps than the trained one. '
                           'Nothing was written; please report it')
    difference = max(float((a - b).abs().max()) for a, b in zip(ours, theirs))
    if not all(torch.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(ours, theirs)):
        raise RuntimeError('the exported backbone differs from the trained one: feature maps are '
                           f'up to {difference:.2g} apart. Nothing was written; please report it')
    return difference


def _maps(output) -> list[Tensor]:
    """All feature maps of a backbone's output."""
    if isinstance(output, Tensor):
        return [output]
    parts = output.values() if isinstance(output, Mapping) else output
    return [found for part in parts for found in _maps(part)]
