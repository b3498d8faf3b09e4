"""The training loop whose resumed runs equal uninterrupted ones."""

from __future__ import annotations

import random

import numpy as np
import torch
from mmengine.dist import broadcast_object_list, get_rank
from mmengine.runner import IterBasedTrainLoop
from mmengine.runner.base_loop import BaseLoop
from mmengine.runner.utils import calc_dynamic_intervals

from ..datasets.randomness import mix
from ..datasets.sampler import MultiDatasetSampler
from ..registry import LOOPS

_MODEL = 4  # the stream of random numbers that models draw from; see datasets/plans.py


@LOOPS.register_module()
class MultiDatasetTrainLoop(IterBasedTrainLoop):
    """Iteration-based training with exact and immediate resuming.

    What differs from MMEngine's loop:

    - the sampler is moved to the position at once, with any number of workers; nothing is replayed;
    - the sampler's seed is the runner's, on resuming the checkpoint's, also where none is
    configured;
    - the sampler takes the loader's batch size, and another one is refused;
    - random numbers of the model (dropout) are seeded in each iteration by (seed, rank, iteration),
      as MMEngine's checkpoints hold no generator states.

    Args:
        runner: The runner.
        dataloader: A loader or its config. Its sampler should be a :class:`MultiDatasetSampler`;
            with another one this is MMEngine's loop with seeded iterations.
        max_iters: Number of iterations.
        val_begin: First iteration that may validate.
        val_interval: Iterations between validations.
        dynamic_intervals: ``[(milestone, interval), ...]``, as in MMEngine.

    Example:
        >>> train_cfg = dict(type='MultiDatasetTrainLoop', max_iters=40000, val_interval=4000)
    """

    def __init__(self, runner, dataloader, max_iters: int, val_begin: int = 1,
                 val_interval: int = 1000,
                 dynamic_intervals: list[tuple[int, int]] | None = None) -> None:
        # MMEngine 0.10.7 creates the loader's iterator, and so its workers, in the constructor of
        # IterBasedTrainLoop: before resuming has said where to begin and with which seed.
        BaseLoop.__init__(self, runner, dataloader)
        if int(max_iters) != max_iters or max_iters < 1:
            raise ValueError(f'max_iters={max_iters}: a whole number above 0 is needed')
        self._max_iters = int(max_iters)
        self._max_epochs = 1
        self._epoch = 0
        self._iter = 0
        self.val_begin = val_begin
        self.val_interval = val_interval
        self.stop_training = False
        self.runner.visualizer.dataset_meta = getattr(self.dataloader.dataset, 'metainfo', None)
        self.dynamic_milestones, self.dynamic_intervals = calc_dynamic_intervals(
            val_interval, dynamic_intervals)
        self.sampler = self.dataloader.sampler
        if isinstance(self.sampler, MultiDatasetSampler):
            if self.sampler.epoch_batches is not None:
                raise ValueError('MultiDatasetTrainLoop counts iterations: the sampler must have '
                                 'no epoch_batches, which is for EpochBasedTrainLoop')
            self.sampler.bind(self.dataloader.batch_size)

    def run(self):
        """Launch training."""
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        self._seed = self._shared_seed()
        batches = self._batches()
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            batch = next(batches)
            seed_model(mix(self._seed, _MODEL, get_rank(), self._iter) >> 1)
            self.run_iter(batch)
            self._decide_current_val_interval()
            if (self.runner.val_loop is not None and self._iter >= self.val_begin
                    and (self._iter % self.val_interval == 0 or self._iter == self._max_iters)):
                self.runner.val_loop.run()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def _shared_seed(self) -> int:
        """Return rank 0's seed: ranks have seeds of their own under ``diff_rank_seed``."""
        seeds: list = [self.runner.seed]
        broadcast_object_list(seeds)
        return int(seeds[0])

    def _batches(self):
        """Yield batches for ever, from the current iteration on."""
        if isinstance(self.sampler, MultiDatasetSampler):
            self.sampler.seed = self._seed
            self.sampler.position = self._iter * self.dataloader.batch_size
        elif self._iter > 0 and hasattr(self.sampler, 'skip'):
            self.sampler.skip(self._iter * self.dataloader.batch_size)
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
