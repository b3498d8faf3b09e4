"""From ordinary batch norms to dataset-specific ones, and back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..context import MEAN, DatasetContext
from .dsbn import DSBN

#: What may be chosen for all layers of a model at once.
OPTIONS = ('share', 'sync', 'single_value')


def dsbn_layers(model: nn.Module) -> dict[str, DSBN]:
    """Return the dataset-specific batch norms of a model by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, DSBN)}


def bind_dsbn(model: nn.Module, context: DatasetContext) -> None:
    """Bind every unbound :class:`DSBN` of a model to the datasets of a context."""
    for name, layer in dsbn_layers(model).items():
        if layer.context is None:
            layer.bind(context, name)


def convert_to_dsbn(model: nn.Module, datasets: Sequence[str] | DatasetContext,
                    **options) -> DatasetContext:
    """Replace every batch norm of a model, in place, by a :class:`DSBN` of the same state.

    ``BatchNorm`` and ``SyncBatchNorm`` layers are replaced; the latter become ``sync=True`` unless
    told otherwise. Names in the state dict stay, ``requires_grad`` and train or eval mode too.

    Args:
        model: Any module that is no batch norm itself.
        datasets: Names of the datasets, or the context to bind to.
        **options: ``share``, ``sync`` and ``single_value`` of :class:`DSBN`.

    Returns:
        The context that the layers read. A model that is no ``MultiDatasetSegmentor`` is run within
        ``with context.batch(names):``.

    Raises:
        ValueError: The model has no batch norm; unknown option.

    Example:
        >>> context = convert_to_dsbn(network, ['camvid11', 'ycor8'])
        >>> with context.batch(['ycor8'] * len(images)):
        ...     network(images)
    """
    for key in options:
        if key not in OPTIONS:
            raise ValueError(f'dataset-specific batch norms have no option {key!r}; allowed: '
                             f'{", ".join(OPTIONS)}')
    context = datasets if isinstance(datasets, DatasetContext) else DatasetContext(datasets)
    # A layer may stand in several places of a model and must stay one layer.
    found = [(name, module) for name, module in model.named_modules(remove_duplicate=False)
             if isinstance(module, _BatchNorm) and not isinstance(module, DSBN)]
    made: dict[int, DSBN] = {}
    for name, module in found:
        if not name:
            raise ValueError('the model is a batch norm itself; build a DSBN instead')
        if id(module) not in made:
            made[id(module)] = _from_batch_norm(module, options)
        _replace(model, name, made[id(module)])
    if not found and not dsbn_layers(model):
        raise ValueError(f'{type(model).__name__} has no batch norm that could become '
                         'dataset-specific')
    bind_dsbn(model, context)
    return context


def collapse_dsbn(model: nn.Module, dataset: str) -> None:
    """Replace every :class:`DSBN`, in place, by an ordinary batch norm of one dataset.

    Args:
        model: Any module.
        dataset: Whose statistics and parameters to keep; ``'mean'`` for the mean of all.

    Raises:
        ValueError: A layer does not know the dataset.
    """
    made: dict[int, _BatchNorm] = {}
    for name, layer in list(model.named_modules(remove_duplicate=False)):
        if isinstance(layer, DSBN):
            if id(layer) not in made:
                made[id(layer)] = _to_batch_norm(layer, name, dataset)
            _replace(model, name, made[id(layer)])


@torch.no_grad()
def plain_state_dict(model: nn.Module, dataset: str | None) -> dict[str, torch.Tensor]:
    """Return a model's state dict as :func:`collapse_dsbn` would leave it; the model stays.

    Args:
        model: Any module.
        dataset: Whose statistics and parameters to take; ``'mean'`` for the mean of all. Without
            dataset-specific batch norms it does not matter.
    """
    state = dict(model.state_dict())
    for name, layer in dsbn_layers(model).items():
        del state[f'{name}.dataset_names']
        state.update({f'{name}.{key}': value for key, value in layer.plain_state(dataset).items()
                      if value is not None})
    return state


def _to_batch_norm(layer: DSBN, name: str, dataset: str) -> _BatchNorm:
    known = (*layer.context.datasets, MEAN) if layer.context else ()
    if dataset not in known:
        raise ValueError(f'unknown dataset {dataset!r}; DSBN {name} knows '
                         f'{", ".join(known) or "none: it was never bound to datasets"}')
    plain = layer.plain_type(layer.num_features, layer.eps, layer.momentum, layer.affine,
                             layer.track_running_stats)
    for key, value in layer.plain_state(dataset).items():
        _assign(plain, key, value)
    if layer.affine:
        for key in ('weight', 'bias'):
            getattr(plain, key).requires_grad = getattr(layer, key).requires_grad
    return plain.train(layer.training)


def _from_batch_norm(module: _BatchNorm, options: dict) -> DSBN:
    options = {'sync': isinstance(module, nn.SyncBatchNorm), **options}
    layer = DSBN(module.num_features, module.eps, module.momentum, module.affine,
                 module.track_running_stats, **options)
    if type(module) in (nn.BatchNorm1d, nn.BatchNorm3d):
        layer.plain_type = type(module)
    for key in ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'):
        value = getattr(module, key)
        _assign(layer, key, value)
        if isinstance(value, nn.Parameter):
            getattr(layer, key).requires_grad = value.requires_grad
    return layer.train(module.training)


def _assign(module: nn.Module, key: str, value: torch.Tensor | None) -> None:
    own = getattr(module, key)
    if own is not None:
        # .data: takes the device and type of the value, too
        own.data = value.detach().clone()


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, key = name.rpartition('.')
    setattr(model.get_submodule(parent), key, module)
