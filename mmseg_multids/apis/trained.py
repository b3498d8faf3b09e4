"""Reading trained models strictly, and writing files that are whole or not there."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import CheckpointLoader
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from ..models import MultiDatasetPretrainer, MultiDatasetSegmentor, UniSegHead
from ..registry import MODELS


def read_config(config: str | Path | Config) -> Config:
    """Return a config of one's own.

    Raises:
        FileNotFoundError: There is no such file.
    """
    if isinstance(config, Config):
        return copy.deepcopy(config)
    if not Path(config).is_file():
        raise FileNotFoundError(f'config file {config} does not exist')
    return Config.fromfile(config)


def build_segmentor(cfg: Config, where: str | None = None,
                    kinds: Sequence[type] = (MultiDatasetSegmentor,)) -> MultiDatasetSegmentor:
    """Build a config's model without reading any weights.

    Args:
        cfg: Config.
        where: What errors call it. Default: its file.
        kinds: Classes that it may be of.

    Raises:
        TypeError: The model is of none of the ``kinds``.
    """
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    kind = cfg.get('model', {}).get('type')
    model = MODELS.build(copy.deepcopy(cfg.model)) if kind else None
    if not isinstance(model, tuple(kinds)):
        names = ' or a '.join(cls.__name__ for cls in kinds)
        hint = ''
        if isinstance(model, MultiDatasetPretrainer):
            hint = ('. What is used of a pretrainer is its backbone: write it with tools/export.py '
                    'CHECKPOINT --backbone, and train a model that starts from that file')
        raise TypeError(f'{where or name_of(cfg)}: the model is a {kind}; a {names} is '
                        f'needed{hint}')
    return model.eval()


class Trained(NamedTuple):
    """A checkpoint, the config of its model, and the model with its weights."""

    cfg: Config
    model: MultiDatasetSegmentor
    #: All that the file holds.
    stored: dict


def read_checkpoint(checkpoint: str | Path) -> dict:
    """Return what a checkpoint holds, on the CPU; names are those of an undistributed model.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: It is no model's.
    """
    if '://' not in str(checkpoint) and not Path(checkpoint).is_file():
        raise FileNotFoundError(f'checkpoint {checkpoint} does not exist')
    try:
        stored = CheckpointLoader.load_checkpoint(str(checkpoint), map_location='cpu')
    except (EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f'{checkpoint} is no checkpoint, or a part of one: it cannot be read '
                         f'({str(error).splitlines()[0] if str(error) else "it ends too early"})') \
            from error
    state = stored.get('state_dict') if isinstance(stored, dict) else None
    if not isinstance(state, dict):
        raise ValueError(f'{checkpoint} is no checkpoint: it has no state_dict')
    return {**stored, 'state_dict': {re.sub(r'^module\.', '', key): value
                                     for key, value in state.items()}}


def config_in(stored: dict) -> Config | None:
    """Return the config that MMEngine keeps in a checkpoint as text; ``None`` if there is none."""
    text = (stored.get('meta') or {}).get('cfg')
    return Config.fromstring(text, file_format='.py') if text and isinstance(text, str) else None


def load_trained(checkpoint: str | Path, config: str | Path | Config | None = None,
                 cfg_options: dict | None = None, option: str = '--config',
                 kinds: Sequence[type] = (MultiDatasetSegmentor,)) -> Trained:
    """Build a checkpoint's model and load all of its weights, on the CPU.

    MMEngine warns of missing weights and goes on with random ones; a file made of them would look
    like a trained model.

    Args:
        checkpoint: Checkpoint file.
        config: Config or file that it was trained with. Default: the config in the checkpoint.
        cfg_options: Keys of the config to override.
        option: What the command line calls ``config``, for errors.
        kinds: Classes that the model may be of.

    Raises:
        FileNotFoundError: There is no such checkpoint or config.
        TypeError: The model is of none of the ``kinds``.
        ValueError: The checkpoint is no model's, has no config and none is given, or does not fit
            the config; the difference is named.
    """
    own = None if config is None else read_config(config)
    stored = read_checkpoint(checkpoint)
    cfg = config_in(stored) if own is None else own
    if cfg is None:
        raise ValueError(f'checkpoint {checkpoint} does not hold its config; name the config that '
                         f'it was trained with ({option} FILE)')
    cfg.merge_from_dict(dict(cfg_options or {}))
    where = 'the config in it' if own is None else name_of(cfg)
    model = build_segmentor(cfg, where, kinds)
    try:
        result = model.load_state_dict(dict(stored['state_dict']), strict=False)
        missing, unexpected = result.missing_keys, result.unexpected_keys
        if missing or unexpected:
            raise ValueError('; '.join(f'{len(keys)} weight(s) are {what}: {", ".join(keys[:3])}'
                                       for what, keys in (('missing', missing),
                                                          ('not in the model', unexpected))
                                       if keys))
    except (RuntimeError, ValueError) as error:
        raise ValueError(f'checkpoint {checkpoint} does not fit {where}: {error}') from error
    return Trained(cfg, model, stored)


def name_of(cfg: Config) -> str:
    """Return what errors call a config."""
    return f'config {cfg.filename}' if cfg.filename else 'the config'


def heads_of(model: MultiDatasetSegmentor) -> dict[str, UniSegHead]:
    """Return main and auxiliary heads by name."""
    return {name: module for name, module in model.named_modules()
            if isinstance(module, UniSegHead)}


@torch.no_grad()
def logits_of_noise(model: EncoderDecoder, size: Sequence[int] = (128, 128),
                    dataset: str | None = None, target: str | None = None,
                    norm: str | None = None) -> Tensor:
    """Return the logits of one random image that is always the same; for comparing models.

    Args:
        model: In eval mode.
        size: Height and width of the image.
        dataset: Dataset that the image is said to come from; ours only, as all that follows.
        target: What the logits are read as.
        norm: Whose statistics normalise it. Default: the dataset's.

    Shapes:
        - output: [1, K, height, width]
    """
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    metas = [{'img_shape': tuple(size)}]
    if not isinstance(model, MultiDatasetSegmentor):
        return model.encode_decode(image, metas)
    with model.context.batch(None if dataset is None else [dataset], target,
                             None if norm is None else [norm]):
        return model.encode_decode(image, metas)
