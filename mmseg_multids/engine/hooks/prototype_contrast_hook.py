"""When prototypes are collected and contrasted, and what a log says of them (MDP)."""

from __future__ import annotations

import math
from pathlib import Path

from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log

from ...models import PrototypeBank
from ...registry import HOOKS
from ..runner_parts import plain_model


@HOOKS.register_module()
class PrototypeContrastHook(Hook):
    """Lets bank and loss of a contrast with prototypes begin, and logs the bank.

    Of :class:`MultiDatasetPretrainer`, or of :class:`PrototypeContrast` in a supervised model.

    Logged are, as ``prototypes/...``: ``coverage``, the share of the classes that have a prototype;
    ``norm``, the mean length of the prototypes, which is 1 where all embeddings of a class are
    equal; ``similarity``, the mean cosine between different ones. Classes that were not seen for a
    whole window have no prototype, are left out of the softmax, and are named once they are gone.

    Args:
        collect_from: Iteration from which on the bank is fed.
        contrast_from: Iteration from which on the loss counts. Default: one window later.
        interval: Iterations between two entries in the log.
        picture: Also draw histograms of the prototypes' lengths and similarities, to
            ``<work_dir>/prototypes/iter_<n>.png``, at the same interval.

    Raises:
        ValueError: Numbers that cannot be; the model has no contrast; its bank was made for another
            batch size.

    Example:
        >>> custom_hooks = [dict(type='PrototypeContrastHook', collect_from=1000)]
    """

    # Before the logger's hook takes its figures.
    priority = 'NORMAL'

    def __init__(self, collect_from: int = 0, contrast_from: int | None = None,
                 interval: int = 50, picture: bool = False) -> None:
        if collect_from < 0:
            raise ValueError(f'PrototypeContrastHook: collect_from={collect_from}: a number from 0 '
                             'is needed')
        if contrast_from is not None and contrast_from < collect_from:
            raise ValueError(f'PrototypeContrastHook: contrast_from={contrast_from} is before '
                             f'collect_from={collect_from}')
        if interval < 1:
            raise ValueError(f'PrototypeContrastHook: interval={interval}: at least 1 is needed')
        self.collect_from, self.contrast_from = collect_from, contrast_from
        self.interval, self.picture = interval, picture
        self._seen: set[str] = set()

    def before_train(self, runner) -> None:
        """Check the bank against the run."""
        found = self._banks(runner)
        if not found:
            raise ValueError('PrototypeContrastHook needs a bank of prototypes: a '
                             "MultiDatasetPretrainer with contrast='prototype', or "
                             'decode_head.contrast=dict(images=..., batch_size=...) in a head of '
                             'the model')
        batch = getattr(runner.train_dataloader.batch_sampler, 'batch_size', 0) * get_world_size()
        for bank in found:
            if bank.batch_size != batch:
                raise ValueError(
                    f'PrototypeContrastHook: the bank has batch_size={bank.batch_size}, but '
                    f'{get_world_size()} process(es) train on {batch} images in a batch: the '
                    'window would hold another number of images')

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Say what is done in this iteration."""
        for bank in self._banks(runner):
            begin = self.contrast_from
            if begin is None:
                begin = self.collect_from + bank.num_batches
            bank.collects = batch_idx >= self.collect_from
            bank.contrasts = batch_idx >= begin

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Log."""
        if not self.every_n_train_iters(runner, self.interval):
            return
        for bank in self._banks(runner)[:1]:
            for key, value in bank.statistics()._asdict().items():
                if not math.isnan(value):
                    runner.message_hub.update_scalar(f'train/prototypes/{key}', value)
            _, valid = bank.prototypes()
            there = {name for name, known in zip(bank.classes, valid.tolist()) if known}
            gone = sorted(self._seen - there)
            if gone:
                print_log(f'no image of the last {bank.num_batches} batches shows '
                          f'{", ".join(gone)}: no prototypes, left out of the contrast',
                          logger='current')
            self._seen = there
            if self.picture and is_main_process():
                from ...visualization.prototypes import draw_prototypes
                draw_prototypes(bank, Path(runner.work_dir) / 'prototypes'
                                / f'iter_{batch_idx + 1}.png')

    @staticmethod
    def _banks(runner) -> list[PrototypeBank]:
        return [module for module in plain_model(runner).modules()
                if isinstance(module, PrototypeBank)]
