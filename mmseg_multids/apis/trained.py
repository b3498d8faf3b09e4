"""Reading trained models strictly, and writing files that are whole or not there."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import CheckpointLoader
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from ..models import MultiDatasetSegmentor
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


def build_segmentor(cfg: Config) -> MultiDatasetSegmentor:
    """Build a config's model without reading any weights.

    Raises:
        TypeError: The model is no :class:`MultiDatasetSegmentor`.
    """
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    kind = cfg.get('model', {}).get('type')
    model = MODELS.build(copy.deepcopy(cfg.model)) if kind else None
    if not isinstance(model, MultiDatasetSegmentor):
        raise TypeError(f'{_name(cfg)}: the model is a {kind}; a MultiDatasetSegmentor is needed')
    return model.eval()


def load_trained(cfg: Config, checkpoint: str | Path) -> MultiDatasetSegmentor:
    """Build a config's model and load all of its weights, on the CPU.

    MMEngine warns of missing weights and goes on with random ones; a file made of them would look
    like a trained model.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: The checkpoint is no model's, or does not fit the config; the difference is
            named.
    """
    if '://' not in str(checkpoint) and not Path(checkpoint).is_file():
        raise FileNotFoundError(f'checkpoint {checkpoint} does not exist')
    model = build_segmentor(cfg)
    stored = CheckpointLoader.load_checkpoint(str(checkpoint), map_location='cpu')
    state = stored.get('state_dict') if isinstance(stored, dict) else None
    if not isinstance(state, dict):
        raise ValueError(f'{checkpoint} is no checkpoint: it has no state_dict')
    state = {re.sub(r'^module\.', '', key): value for key, value in state.items()}
    try:
        result = model.load_state_dict(state, strict=False)
        missing, unexpected = result.missing_keys, result.unexpected_keys
        if missing or unexpected:
            raise ValueError('; '.join(f'{len(keys)} weight(s) are {what}: {", ".join(keys[:3])}'
                                       for what, keys in (('missing', missing),
                                                          ('not in the model', unexpected))
                                       if keys))
    except (RuntimeError, ValueError) as error:
        raise ValueError(f'checkpoint {checkpoint} does not fit {_name(cfg)}: {error}') from error
    return model


def _name(cfg: Config) -> str:
    return f'config {cfg.filename}' if cfg.filename else 'the config'


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


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write a file under another name; it takes its own only if the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'{path.name}.{os.getpid()}.tmp')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
