"""The one place that names MMSegmentation's registries.

Everything of this package is registered into MMSegmentation's own registries, so configs use
``default_scope = 'mmseg'`` and stock and own components mix freely.
"""

from __future__ import annotations

import pickle

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.utils import digit_version
from mmseg.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    LOOPS,
    METRICS,
    MODELS,
    OPTIM_WRAPPER_CONSTRUCTORS,
    TRANSFORMS,
    VISUALIZERS,
)

__all__ = [
    'DATASETS',
    'DATA_SAMPLERS',
    'HOOKS',
    'LOOPS',
    'METRICS',
    'MODELS',
    'OPTIM_WRAPPER_CONSTRUCTORS',
    'TRANSFORMS',
    'VISUALIZERS',
]


def allow_checkpoint_types() -> None:
    """Let ``torch.load(weights_only=True)`` read MMEngine's own checkpoints.

    MMEngine 0.10.7 loads with torch's default, which has been ``weights_only=True`` since torch
    2.6, and stores its message hub (history buffers and numpy scalars) in every checkpoint.
    """
    if digit_version(torch.__version__) < digit_version('2.6'):
        return
    # Renamed in numpy 2; numpy 1.26 has the new name, too, with little in it.
    core = np._core if hasattr(getattr(np, '_core', None), 'multiarray') else np.core
    torch.serialization.add_safe_globals([
        HistoryBuffer,
        np.ndarray,
        np.dtype,
        core.multiarray._reconstruct,
        core.multiarray.scalar,
        *{type(np.dtype(t)) for t in ('f2', 'f4', 'f8', 'i1', 'i2', 'i4', 'i8',
                                      'u1', 'u2', 'u4', 'u8', '?')},
        # History buffers hold functions of their class, which are pickled as calls of getattr.
        # getattr itself would let a file reach anything.
        (_method_of_history_buffer, 'builtins.getattr'),
    ])


def _method_of_history_buffer(owner: type, name: str):
    if owner is not HistoryBuffer or name not in ('min', 'max', 'current', 'mean'):
        raise pickle.UnpicklingError(f'getattr({owner!r}, {name!r}) is not among what checkpoints '
                                     'may load')
    return getattr(owner, name)


allow_checkpoint_types()
