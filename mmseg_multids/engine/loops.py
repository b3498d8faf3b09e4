"""The training loop whose resumed runs equal uninterrupted ones."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from mmengine.dist import all_reduce, get_rank, get_world_size
from mmengine.model import is_model_wrapper
from mmengine.runner import IterBasedTrainLoop
from mmengine.runner.base_loop import BaseLoop
from mmengine.runner.utils import calc_dynamic_intervals

from ..datasets.batch_sampler import CropScheduleBatchSampler
from ..datasets.randomness import mix
from ..datasets.sampler import MultiDatasetSampler
from ..models.layers.merge import StatisticsMerger
from ..processes import on_rank_0
from ..registry import LOOPS
from .absent_rows import AbsentRows

_MODEL = 4  # the stream of random numbers that models draw from; see datasets/plans.py


@LOOPS.register_module()
class MultiDatasetTrainLoop(IterBasedTrainLoop):
    """Iteration-based training with exact and immediate resuming.

    What differs from MMEngine's loop:

    - the sampler is moved to the position at once, with any number of workers; nothing is replayed;
    - the sampler's seed is the runner's, on resuming the checkpoint's, also where none is
    configured;
    - the sampler takes the loader's batch size, and another one is refused;
    - an iteration is an optimiser step, of one batch or of a whole cycle of the plan
    ``alternate``;
    - parameters of datasets that a step does not see stay where they are (:class:`AbsentRows`), and
    running statistics of dataset-specific batch norms are the same on all processes;
    - random numbers of the model (dropout) are seeded in each iteration by (seed, rank, iteration),
      as MMEngine's checkpoints hold no generator states.

    Args:
        runner: The runner.
        dataloader: A loader or its config. Its sampler should be a :class:`MultiDatasetSampler`;
            with another one this is MMEngine's loop with seeded iterations.
        max_iters: Number of iterations. Default: those of the crop schedule
            (:class:`CropScheduleBatchSampler`); as many whole cycles as it has.
        val_begin: First iteration that may validate.
        val_interval: Iterations between validations.
        dynamic_intervals: ``[(milestone, interval), ...]``, as in MMEngine.
        step_after: ``'batch'``, or ``'cycle'``: dataset alternation training (CDCL, section 3.2.3).
            The losses of all batches of a cycle are added up (Eq. 3; weights are the heads'
            ``dataset_weights``), each going backward on its own so that one graph is held at a
            time, and one step is taken. For an interval t > 1 the paper does not say when to step;
            here it is once per cycle, too. Iterations, schedules, validation and checkpoints count
            cycles, so a checkpoint never falls within one.

    Raises:
        ValueError: An unknown ``step_after``; cycles with a plan that has none, or with an
            optimiser wrapper that accumulates on its own.

    Example:
        >>> train_cfg = dict(type='MultiDatasetTrainLoop', max_iters=40000, val_interval=4000,
        ...                  step_after='cycle')
    """

    def __init__(self, runner, dataloader, max_iters: int | None = None, val_begin: int = 1,
                 val_interval: int = 1000,
                 dynamic_intervals: list[tuple[int, int]] | None = None,
                 step_after: str = 'batch') -> None:
        # MMEngine 0.10.7 creates the loader's iterator, and so its workers, in the constructor of
        # IterBasedTrainLoop: before resuming has said where to begin and with which seed.
        BaseLoop.__init__(self, runner, dataloader)
        own = self.dataloader.batch_sampler
        self.crops = own if isinstance(own, CropScheduleBatchSampler) else None
        self.sampler = self.dataloader.sampler if self.crops is None else self.crops.sampler
        if isinstance(self.sampler, MultiDatasetSampler):
            if self.sampler.epoch_batches is not None:
                raise ValueError('MultiDatasetTrainLoop counts iterations: the sampler must have '
                                 'no epoch_batches, which is for EpochBasedTrainLoop')
            self.sampler.bind((self.crops or self.dataloader).batch_size)
        self.batches_per_step = self._count_batches(step_after)
        if max_iters is None:
            if self.crops is None:
                raise ValueError('MultiDatasetTrainLoop needs max_iters: only a crop schedule says '
                                 'how many iterations there are')
            max_iters = max(1, len(self.crops) // self.batches_per_step)
        if int(max_iters) != max_iters or max_iters < 1:
            raise ValueError(f'max_iters={max_iters}: a whole number above 0 is needed')
        self._max_iters = int(max_iters)
        self._drop_idle_schedules()
        self._max_epochs = 1
        self._epoch = 0
        self._iter = 0
        self.val_begin = val_begin
        self.val_interval = val_interval
        self.stop_training = False
        self.runner.visualizer.dataset_meta = getattr(self.dataloader.dataset, 'metainfo', None)
        self.dynamic_milestones, self.dynamic_intervals = calc_dynamic_intervals(
            val_interval, dynamic_intervals)

    def _drop_idle_schedules(self) -> None:
        """Leave out schedules that begin when training is over.

        They would change nothing, but MMEngine, which builds them after this loop, refuses them: a
        trial run of two iterations would need its warm-up adapted, too.
        """
        schedules = getattr(self.runner, 'param_schedulers', None)
        if isinstance(schedules, (list, tuple)):
            self.runner.param_schedulers = [
                schedule for schedule in schedules if not isinstance(schedule, dict)
                or schedule.get('by_epoch', True) or schedule.get('begin', 0) < self._max_iters]

    def _count_batches(self, step_after: str) -> int:
        if step_after not in ('batch', 'cycle'):
            raise ValueError(f"step_after={step_after!r}: allowed are 'batch' and 'cycle'")
        if step_after == 'batch':
            return 1
        cycle = getattr(self.sampler, 'batches_per_cycle', None)
        if cycle is None:
            raise ValueError("step_after='cycle' needs a MultiDatasetSampler with "
                             "plan=dict(type='alternate'): no other has cycles of batches")
        return cycle

    def run(self):
        """Launch training."""
        counts = getattr(self.runner.optim_wrapper, '_accumulative_counts', 1)
        if self.batches_per_step > 1 and counts != 1:
            raise ValueError("step_after='cycle' accumulates the batches of a cycle: remove "
                             f'accumulative_counts={counts} from optim_wrapper')
        stored = getattr(self._plain_model(), 'reordered_datasets', None)
        if self._iter > 0 and stored:
            raise ValueError(
                f'the run that is resumed had its datasets in the order {", ".join(stored)}, the '
                f'config has {", ".join(self._model_datasets())}. Weights are matched by name, the '
                "optimiser's state is not: use the run's order, or start anew from its weights "
                'with load_from')
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        self._seed = self._shared_seed()
        batches = self._batches()
        self._merger = StatisticsMerger(self.runner.model)
        self._absent = self._watch_absent_rows()
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.run_iter([next(batches) for _ in range(self.batches_per_step)])
            self._decide_current_val_interval()
            if (self.runner.val_loop is not None and self._iter >= self.val_begin
                    and (self._iter % self.val_interval == 0 or self._iter == self._max_iters)):
                self.runner.val_loop.run()
        if self._absent is not None:
            self._absent.remove()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_iter(self, batches: list[dict]) -> None:
        """Take one optimiser step.

        Hooks get the batch, or the list of a cycle's batches.
        """
        data = batches if self.batches_per_step > 1 else batches[0]
        self.runner.call_hook('before_train_iter', batch_idx=self._iter, data_batch=data)
        if self._absent is not None:
            self._absent.see(self._everywhere(datasets_in(batches)))
        seed_model(mix(self._seed, _MODEL, get_rank(), self._iter) >> 1)
        model, wrapper = self.runner.model, self.runner.optim_wrapper
        logs = []
        for i, batch in enumerate(batches):
            step = wrapper if i + 1 == len(batches) else _Accumulate(wrapper)
            logs.append(model.train_step(batch, optim_wrapper=step))
        # A scaler may have skipped the step: gradients begin anew nevertheless.
        if self._absent is not None and wrapper.should_update():
            self._absent.begin_step()
        self._merger.merge()
        self.runner.call_hook('after_train_iter', batch_idx=self._iter, data_batch=data,
                              outputs=_merge_logs(logs))
        self._iter += 1

    def _watch_absent_rows(self) -> AbsentRows | None:
        optimizer = getattr(self.runner.optim_wrapper, 'optimizer', None)
        names = self._model_datasets()
        if optimizer is None or len(names) < 2:
            return None
        return AbsentRows(self.runner.model, optimizer, names)

    def _model_datasets(self) -> tuple[str, ...]:
        """Return the names that samples of the model may have; the loader may have fewer."""
        context = getattr(self._plain_model(), 'context', None)
        return () if context is None else context.sources

    def _plain_model(self) -> torch.nn.Module:
        model = self.runner.model
        return model.module if is_model_wrapper(model) else model

    def _everywhere(self, names: Sequence[str]) -> Sequence[str]:
        """Datasets of the step on any process; those of our sampler are the same on all."""
        if isinstance(self.sampler, MultiDatasetSampler) or get_world_size() == 1:
            return names
        known = self._model_datasets()
        present = torch.tensor([float(name in names) for name in known])
        all_reduce(present, 'max')
        return [name for name, there in zip(known, present.tolist()) if there]

    def _consumed(self) -> int:
        """Samples per process that the iterations so far have taken; batches of a crop schedule."""
        batches = self._iter * self.batches_per_step
        return batches if self.crops is not None else batches * self.dataloader.batch_size

    def _shared_seed(self) -> int:
        """Return rank 0's seed: ranks have seeds of their own under ``diff_rank_seed``."""
        return int(on_rank_0(lambda: self.runner.seed))

    def _batches(self):
        """Yield batches for ever, from the current iteration on."""
        if isinstance(self.sampler, MultiDatasetSampler):
            self.sampler.seed = self._seed
            self.sampler.position = self._consumed()
        elif self._iter > 0 and hasattr(self.sampler, 'skip'):
            self.sampler.skip(self._consumed())
        elif self._iter > 0:
            self.runner.logger.warning(
                f'{type(self.sampler).__name__} cannot be moved to iteration {self._iter}: the '
                'resumed run sees other samples than an uninterrupted one would have')
        passes = 0
        while True:
            yield from self.dataloader
            passes += 1
            if hasattr(self.sampler, 'set_epoch'):
                self.sampler.set_epoch(passes)


class _Accumulate:
    """The part of an optimiser wrapper that ``train_step`` uses, without taking the step."""

    def __init__(self, wrapper) -> None:
        self._wrapper = wrapper

    @contextmanager
    def optim_context(self, model):
        """As the wrapper's; distributed models keep their gradients to themselves for now."""
        no_sync = getattr(model, 'no_sync', nullcontext)
        with self._wrapper.optim_context(model), no_sync():
            yield

    def update_params(self, loss: torch.Tensor, *_, **__) -> None:
        """Add the gradients of this loss."""
        self._wrapper.backward(loss)


def datasets_in(batches: Sequence[dict]) -> tuple[str, ...]:
    """Return the names of the datasets that have samples in the batches."""
    names: dict[str, None] = {}
    for batch in batches:
        for sample in batch['data_samples']:
            names.setdefault(sample.metainfo.get('dataset'))
    return tuple(names)


def _merge_logs(logs: Sequence[dict]) -> dict:
    """Return one step's log: ``loss`` added up, all else averaged over the batches that have it."""
    if len(logs) == 1:
        return logs[0]
    values: dict[str, list] = {}
    for log in logs:
        for key, value in log.items():
            values.setdefault(key, []).append(value)
    return {key: sum(found) if key == 'loss' else sum(found) / len(found)
            for key, found in values.items()}


def seed_model(seed: int) -> None:
    """Seed Python, numpy and torch, on the CPU and, where there is one, on the GPU.

    ``torch.manual_seed`` would also format a stack trace in each call where CUDA is not
    initialised.
    """
    random.seed(seed)
    np.random.seed([seed & 0xffffffff, seed >> 32])
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed(seed)
