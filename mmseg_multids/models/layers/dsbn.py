"""Dataset-specific batch normalisation (CDCL, section 3.2.2)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, get_world_size
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...functional.batch_norm import (
    SynchronisedBatchNorm,
    mixture_moments,
    statistics_distance,
)
from ...registry import MODELS
from ..context import MEAN, DatasetContext, DatasetGroup

_SHARE = (None, 'affine', 'statistics')


@MODELS.register_module()
class DSBN(_BatchNorm):
    """Batch normalisation with statistics and affine parameters per dataset.

    CDCL, Eq. (1) and (2). A batch of one dataset costs one batch norm; a batch of several is
    normalised dataset by dataset, as if each stood alone. Which sample is whose comes from the
    :class:`DatasetContext` that the segmentor binds after it was built; until then the layer has
    the shapes of an ordinary batch norm.

    The state dict has the keys of ``BatchNorm2d`` with a row per dataset, [S, C] instead of [C]
    (``num_batches_tracked``: [S]), and ``dataset_names``, the names of the rows as JSON bytes.
    Stacked rows are always part of the graph, so ``DistributedDataParallel`` needs no
    ``find_unused_parameters``. Loading takes ordinary batch norms (every dataset gets a copy) and
    rows of the same datasets in any order.

    Args:
        num_features: Channels C.
        eps: Added to the variance.
        momentum: Of the running statistics; ``None`` for a cumulative average.
        affine: Learn scale and shift.
        track_running_stats: Keep running statistics; without them batches are always normalised by
            their own.
        share: ``None``, ``'affine'`` (one scale and shift for all datasets, statistics of their
            own) or ``'statistics'`` (one batch norm over the whole batch, then each dataset's scale
            and shift).
        sync: Statistics over all processes, dataset by dataset. Works with any backend, gloo on a
            CPU included.
        single_value: What to do in training with one value per channel, which has no variance (as
            after global pooling of one image): ``'error'``, or ``'running'`` to normalise by the
            dataset's running statistics.
        **kwargs: ``device`` and ``dtype``.

    Shapes:
        - input: [B, C, *]; output: the same.

    Raises:
        ValueError: Unknown ``share`` or ``single_value``; in a forward pass a batch whose datasets
            are not known, or one value per channel.
        RuntimeError: The layer was not bound to datasets.

    Example:
        >>> norm_cfg = dict(type='DSBN', requires_grad=True)
    """

    _abbr_ = 'bn'

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1,
                 affine: bool = True, track_running_stats: bool = True, share: str | None = None,
                 sync: bool = False, single_value: str = 'error', **kwargs) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, **kwargs)
        if share not in _SHARE:
            raise ValueError(f"share={share!r}: allowed are None, 'affine' and 'statistics'")
        if single_value not in ('error', 'running'):
            raise ValueError(f"single_value={single_value!r}: allowed are 'error' and 'running'")
        if single_value == 'running' and not track_running_stats:
            raise ValueError("single_value='running' needs track_running_stats=True")
        self.share, self.sync, self.single_value = share, sync, single_value
        self.context: DatasetContext | None = None
        self.layer_name = ''
        #: What :func:`collapse_dsbn` makes of the layer.
        self.plain_type: type[_BatchNorm] = nn.BatchNorm2d

    # ------------------------------------------------------------------ binding

    def bind(self, context: DatasetContext, layer_name: str = '') -> None:
        """Give every dataset a copy of what the layer holds; ``requires_grad`` stays.

        Args:
            context: The batch at hand; its datasets name the rows.
            layer_name: Name for error messages.

        Raises:
            RuntimeError: The layer is bound already.
        """
        if self.context is not None:
            raise RuntimeError(f'{self!r} ({layer_name}) is bound to datasets already')
        self.context, self.layer_name = context, layer_name
        rows = len(context.datasets)
        for name in self._stacked():
            value = getattr(self, name)
            copies = value.detach().unsqueeze(0).repeat(rows, *[1] * value.dim())
            if isinstance(value, nn.Parameter):
                copies = nn.Parameter(copies, requires_grad=value.requires_grad)
            setattr(self, name, copies)
        text = json.dumps(list(context.datasets)).encode()
        device = next((t.device for t in (*self.parameters(), *self.buffers())), None)
        self.register_buffer('dataset_names',
                             torch.tensor(list(text), dtype=torch.uint8, device=device))

    def _stacked(self) -> list[str]:
        """Names of the tensors that have a row per dataset."""
        names = []
        if self.affine and self.share != 'affine':
            names += ['weight', 'bias']
        if self.track_running_stats and self.share != 'statistics':
            names += ['running_mean', 'running_var', 'num_batches_tracked']
        return names

    def dataset_rows(self, datasets: Sequence[str]) -> dict[str, Tensor]:
        """Return which rows of which parameters the datasets use: name -> bool [S]."""
        if self.context is None or not self.affine or self.share == 'affine':
            return {}
        used = {self.context.images_of(name) for name in datasets}
        mask = torch.tensor([name in used for name in self.context.datasets])
        return {'weight': mask, 'bias': mask}

    def plain_state(self, dataset: str) -> dict[str, Tensor | None]:
        """Return the state of an ordinary batch norm for one dataset, or for :data:`MEAN`.

        The mean over datasets takes the moments of the mixture of their distributions, and the
        average of scale and shift.
        """
        row = self._row(dataset)
        state: dict[str, Tensor | None] = {}
        for name in ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'):
            value = getattr(self, name)
            if value is None or name not in self._stacked():
                state[name] = value
            elif row is not None:
                state[name] = value[row]
            elif name in ('weight', 'bias'):
                state[name] = value.mean(dim=0)
            elif name == 'num_batches_tracked':
                state[name] = value.sum()
        if row is None and 'running_mean' in self._stacked():
            state['running_mean'], state['running_var'] = mixture_moments(self.running_mean,
                                                                          self.running_var)
        return state

    def _row(self, dataset: str) -> int | None:
        return None if dataset == MEAN else self.context.datasets.index(dataset)

    def rows_from(self, stored: Mapping[str, Tensor],
                  sources: Mapping[str, str]) -> dict[str, Tensor]:
        """Return what a state dict of this layer holds, made of the rows of other datasets.

        A dataset that keeps its name keeps its row as it is; one that takes another's has seen no
        batches yet (``num_batches_tracked`` is 0).

        Args:
            stored: What the state dict of a DSBN of the same ``share`` holds, by key.
            sources: For each of this layer's datasets the one of ``stored`` whose row it takes, or
                :data:`MEAN`.
        """
        names = names_from_bytes(stored['dataset_names'])
        state = {**stored, 'dataset_names': self.dataset_names.clone()}
        for key in self._stacked():
            rows = stored[key]
            picked = []
            for dataset in self.context.datasets:
                source = sources[dataset]
                if key == 'num_batches_tracked' and dataset not in names:
                    picked.append(torch.zeros_like(rows[0]))
                elif source != MEAN:
                    picked.append(rows[names.index(source)])
                elif key.startswith('running'):
                    moments = mixture_moments(stored['running_mean'], stored['running_var'])
                    picked.append(moments[key == 'running_var'])
                else:
                    picked.append(rows.mean(dim=0))
            state[key] = torch.stack(picked)
        return state

    @property
    def tells_datasets_apart(self) -> bool:
        """Whether each dataset has running statistics of its own."""
        return 'running_mean' in self._stacked()

    # ------------------------------------------------------------------ forward

    def _check_input_dim(self, x: Tensor) -> None:
        if x.dim() < 2 or x.shape[1] != self.num_features:
            raise ValueError(f'DSBN {self.layer_name}: expected [B, {self.num_features}, ...], got '
                             f'{list(x.shape)}')

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each sample with its dataset's statistics and affine parameters."""
        self._check_input_dim(x)
        groups, again = self._groups(x)
        if self.context.distances is not None and self.track_running_stats \
                and x[0, 0].numel() > 1:  # one value has no variance to compare
            self._report_distance(x, groups)
        if len(groups) == 1:
            return self._normalise(x, groups, again)
        back = None
        if not _stand_in_order(groups):
            order = torch.cat([torch.arange(len(x))[group.samples] for group in groups])
            back, x = order.argsort().to(x.device), x[order.to(x.device)]
        out = self._normalise(x, groups, again)
        return out if back is None else out[back]

    def _groups(self, x: Tensor) -> tuple[Sequence[DatasetGroup], bool]:
        if self.context is None:
            raise RuntimeError(
                f'DSBN {self.layer_name}: the layer knows no datasets. Use MultiDatasetSegmentor, '
                'which binds it, or mmseg_multids.models.convert_to_dsbn')
        batch, again = self.context.batch_of_pass()
        if not batch.norm_groups:
            raise ValueError(
                f'DSBN {self.layer_name}: the datasets of this batch are not known (a batch '
                'without dataset names). Name the dataset of the images; for images of an unseen '
                "dataset set model.test_cfg.norm_fallback to 'nearest', 'mean' or one of "
                f'{", ".join(self.context.datasets)}')
        total = sum(group.size for group in batch.norm_groups)
        if total != len(x):
            raise ValueError(f'DSBN {self.layer_name}: {total} samples have a dataset, the input '
                             f'has {len(x)}')
        return batch.norm_groups, again

    def _normalise(self, x: Tensor, groups: Sequence[DatasetGroup], again: bool) -> Tensor:
        """Normalise contiguous groups of samples."""
        by_batch = self.training or not self.track_running_stats
        if by_batch and self.share == 'statistics' and len(groups) > 1:
            return self._normalise_jointly(x, groups, again)
        # A layer that runs again for gradient checkpointing has seen this batch before.
        update = self.training and self.track_running_stats and not again
        if self.training and self.sync and get_world_size() > 1:
            return self._normalise_synchronised(x, groups, update)
        if len(groups) == 1:
            return self._normalise_one(x, groups[0].dataset, by_batch, update)
        parts = x.split([group.size for group in groups])
        return torch.cat([self._normalise_one(part, group.dataset, by_batch, update)
                          for part, group in zip(parts, groups)])

    def _normalise_one(self, x: Tensor, dataset: str, by_batch: bool, update: bool) -> Tensor:
        state = self.plain_state(dataset)
        if by_batch and x.numel() == x.shape[1]:
            self._check_single_value(dataset)
            by_batch = update = False
        running = state['running_mean'], state['running_var']
        if by_batch and self.track_running_stats and not update:
            # Copies: autograd is to save as many tensors as in the pass that this one repeats.
            running = running[0].clone(), running[1].clone()
        factor = self._count(dataset) if update else 0.0
        return F.batch_norm(x, *running, state['weight'], state['bias'], by_batch, factor, self.eps)

    def _check_single_value(self, dataset: str) -> None:
        if self.single_value == 'error':
            raise ValueError(
                f'DSBN {self.layer_name}: one value per channel of dataset {dataset!r} in '
                'training has no variance. Give each dataset at least two images per batch, or '
                "set single_value='running' in norm_cfg to use the running statistics")

    def _count(self, dataset: str) -> float:
        """Count a batch of a dataset; return the weight of its statistics."""
        count = self.num_batches_tracked
        count = count if self.share == 'statistics' else count[self._row(dataset)]
        count.add_(1)  # a view: the buffer is changed
        return 1.0 / float(count) if self.momentum is None else self.momentum

    def _normalise_jointly(self, x: Tensor, groups: Sequence[DatasetGroup],
                           again: bool) -> Tensor:
        """One batch norm over all samples, then each dataset's scale and shift."""
        update = self.training and self.track_running_stats and not again
        if self.training and self.sync and get_world_size() > 1:
            out, *statistics = SynchronisedBatchNorm.apply(
                x, None, None, [len(x)], [0], 1, self.eps, _gather)
            if update:
                self._update(*statistics)
        else:
            running = self.running_mean, self.running_var
            if self.track_running_stats and not update:
                running = running[0].clone(), running[1].clone()
            factor = self._count(groups[0].dataset) if update else 0.0
            out = F.batch_norm(x, *running, None, None, True, factor, self.eps)
        if not self.affine:
            return out
        view = [len(x), self.num_features] + [1] * (x.dim() - 2)
        rows = [self._row(group.dataset) for group in groups for _ in range(group.size)]
        return (out * self.weight[rows].view(view) + self.bias[rows].view(view)).to(x.dtype)

    def _normalise_synchronised(self, x: Tensor, groups: Sequence[DatasetGroup],
                                update: bool) -> Tensor:
        names = [group.dataset for group in groups]
        shared = self.share == 'statistics'
        rows = [0 if shared else self._row(name) for name in names]
        weight = bias = None
        if self.affine:
            picked = [self.plain_state(name) for name in names]
            weight = torch.stack([state['weight'] for state in picked])
            bias = torch.stack([state['bias'] for state in picked])
        out, *statistics = SynchronisedBatchNorm.apply(
            x, weight, bias, [group.size for group in groups], rows,
            1 if shared else len(self.context.datasets), self.eps, _gather)
        parts = list(x.split([group.size for group in groups]))
        single = [i for i, part in enumerate(parts) if part.numel() == part.shape[1]
                  and float(statistics[2][rows[i]]) <= 1]  # nor has any other process a value
        if single:
            out = list(out.split([group.size for group in groups]))
            for i in single:
                self._check_single_value(names[i])
                out[i] = self._normalise_one(parts[i], names[i], by_batch=False, update=False)
            out = torch.cat(out)
        if update:
            self._update(*statistics)
        return out

    @torch.no_grad()
    def _update(self, mean: Tensor, var: Tensor, count: Tensor) -> None:
        """Move the running statistics of all rows that some process had values of.

        Those of datasets that this process did not see, too: all processes stay alike.

        Shapes:
            - mean, var: [S, C]; count: [S]
        """
        seen = count > 1
        counted = self.num_batches_tracked.view(-1)  # [S], or [1] where statistics are shared
        counted.add_(seen.to(counted.dtype))
        factor = 1.0 / counted.clamp(min=1) if self.momentum is None else self.momentum * \
            torch.ones_like(count)
        factor = torch.where(seen, factor, torch.zeros_like(count))[:, None]  # [S, 1]
        unbiased = var * (count / (count - 1).clamp(min=1))[:, None]
        for running, batch in ((self.running_mean, mean), (self.running_var, unbiased)):
            running = running.view(len(count), -1)
            running.lerp_(batch.to(running.dtype), factor.to(running.dtype).expand_as(running))

    @torch.no_grad()
    def _report_distance(self, x: Tensor, groups: Sequence[DatasetGroup]) -> None:
        distance = x.new_empty(len(x), dtype=torch.float32)
        for group in groups:
            state = self.plain_state(group.dataset)
            distance[group.samples] = statistics_distance(
                x[group.samples], state['running_mean'], state['running_var'], self.eps)
        self.context.distances.append(distance)

    # --------------------------------------------------------------- checkpoint

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys,
                              unexpected_keys, error_msgs) -> None:
        if self.context is not None:
            order = self._stored_order(state_dict, prefix)
            for name in self._stacked():
                stored, own = state_dict.get(prefix + name), getattr(self, name)
                if stored is None:
                    continue
                if order is not None and stored.dim() == own.dim():
                    state_dict[prefix + name] = stored[order]
                elif stored.shape == own.shape[1:]:  # an ordinary batch norm
                    # Copies: with load_state_dict(assign=True) the rows become the parameter.
                    state_dict[prefix + name] = stored.unsqueeze(0).expand_as(own).clone()
            state_dict[prefix + 'dataset_names'] = self.dataset_names.clone()
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys,
                                      unexpected_keys, error_msgs)

    def _stored_order(self, state_dict: dict, prefix: str) -> list[int] | None:
        """Where each of our datasets stands in the stored rows; None for an ordinary batch norm.

        Raises:
            ValueError: A dataset has no row.
        """
        stored = state_dict.get(prefix + 'dataset_names')
        if stored is None:
            return None
        names = names_from_bytes(stored)
        missing = [name for name in self.context.datasets if name not in names]
        if missing:
            raise ValueError(
                f'DSBN {self.layer_name}: the checkpoint has no statistics of '
                f'{", ".join(missing)}; it has those of {", ".join(names)}. '
                'tools/add_dataset.py adds datasets to a checkpoint')
        return [names.index(name) for name in self.context.datasets]

    def extra_repr(self) -> str:
        """Show the datasets and the options."""
        datasets = 'unbound' if self.context is None else ', '.join(self.context.datasets)
        return (f'{super().extra_repr()}, datasets=[{datasets}], share={self.share!r}, '
                f'sync={self.sync}')


def _stand_in_order(groups: Sequence[DatasetGroup]) -> bool:
    """Whether the groups' samples follow each other as the groups do."""
    position = 0
    for group in groups:
        if isinstance(group.samples, Tensor) or group.samples.start != position:
            return False
        position += group.size
    return True


def names_from_bytes(names: Tensor) -> list[str]:
    """Return the names of a layer's rows from what its ``dataset_names`` hold."""
    return json.loads(bytes(names.cpu().tolist()).decode())


def _gather(tensor: Tensor) -> Tensor:
    """Return all processes' tensors, [world, ...]."""
    return torch.stack(all_gather(tensor))
