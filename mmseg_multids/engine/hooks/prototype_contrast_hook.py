"""When prototypes are collected and contrasted, and what a log says of them (MDP)."""

from __future__ import annotations

import math
from pathlib import Path

from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import BaseLoop

from ...models import MultiDatasetPretrainer, PrototypeBank
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
        contrast_from: Iteration from which on the loss counts; a batch is taken in before it.
            Default: ``collect_from``.
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
        self.collect_from = collect_from
        self.contrast_from = collect_from if contrast_from is None else contrast_from
        self.interval, self.picture = interval, picture
        self._missing: list[str] = []

    def before_run(self, runner) -> None:
        """Give banks their windows, before any weights are loaded, and check them."""
        if not isinstance(runner._train_loop, BaseLoop):
            return  # nothing is trained
        banks = self._banks(runner)
        if not banks and not isinstance(plain_model(runner), MultiDatasetPretrainer):
            raise ValueError('PrototypeContrastHook needs a bank of prototypes: a '
                             'MultiDatasetPretrainer, or decode_head.contrast=dict(...) in a head '
                             'of the model')
        _check_datasets(runner)
        if not banks:
            return  # a pretrainer with another contrast
        if self.contrast_from >= runner.max_iters:
            raise ValueError(f'PrototypeContrastHook: contrast_from={self.contrast_from}, but '
                             f'training ends after {runner.max_iters} iterations')
        images, batch = _labelled_images(runner)
        for bank in banks:
            if bank.batch_size not in (None, batch):
                raise ValueError(
                    f'PrototypeContrastHook: the bank has batch_size={bank.batch_size}, but '
                    f'{get_world_size()} process(es) train on {batch} labelled images in a batch: '
                    'the window would hold another number of images. Leave batch_size out')
            if not bank.num_batches:
                # About half of the images, as in the paper (section 4.1).
                bank.set_window(bank.images or max(images // 2, batch), batch)

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Say what is done in this iteration."""
        for bank in self._banks(runner):
            bank.collects = runner.iter >= self.collect_from
            bank.contrasts = runner.iter >= self.contrast_from

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Log."""
        if not self.every_n_train_iters(runner, self.interval):
            return
        for bank in self._banks(runner)[:1]:
            for key, value in bank.statistics()._asdict().items():
                if not math.isnan(value):
                    runner.message_hub.update_scalar(f'train/prototypes/{key}', value)
            self._name_missing(bank)
            if self.picture and is_main_process():
                from ...visualization.prototypes import draw_prototypes
                draw_prototypes(bank, Path(runner.work_dir) / 'prototypes'
                                / f'iter_{runner.iter + 1}.png')

    def _name_missing(self, bank: PrototypeBank) -> None:
        """Log which classes have no prototype, once the window is full, where that changes."""
        if bank.count < bank.num_batches:
            return
        there = bank.prototypes()[1].tolist()
        missing = [name for name, known in zip(bank.classes, there) if not known]
        if missing != self._missing:
            words = (f'no labelled image of the last {bank.num_batches} batches shows '
                     f'{", ".join(missing)}: no prototypes, left out of the contrast'
                     if missing else 'all classes have a prototype again')
            print_log(words, logger='current')
        self._missing = missing

    @staticmethod
    def _banks(runner) -> list[PrototypeBank]:
        return [module for module in plain_model(runner).modules()
                if isinstance(module, PrototypeBank)]


def _check_datasets(runner) -> None:
    """Refuse now what would fail in the first step, or in the first validation."""
    model = plain_model(runner)
    known = model.context.datasets
    names = getattr(runner.train_dataloader.dataset, 'names', ())
    for name in names:
        if name not in known:
            raise ValueError(f'train_dataloader has the dataset {name!r}, which model.datasets '
                             f'lacks ({", ".join(known)}): both need the same list')
    val = runner.val_loop
    if val is None or not isinstance(model, MultiDatasetPretrainer):
        return
    for name in getattr(val.dataloader.dataset, 'names', ()):
        if name not in model.label_space.datasets:
            raise ValueError(f'val_dataloader has the dataset {name!r}, which has no prototypes: '
                             'pretraining is validated on '
                             f'{", ".join(model.label_space.datasets)} alone')


def _labelled_images(runner) -> tuple[int, int]:
    """Return the labelled images of the training data, and those in a batch of all processes."""
    loader = runner.train_dataloader
    data = loader.dataset
    batch = (getattr(loader.batch_sampler, 'batch_size', None) or 1) * get_world_size()
    without = getattr(data, 'unlabelled', frozenset())
    sizes = getattr(data, 'sizes', {'': len(data)})
    labelled = sum(size for name, size in sizes.items() if name not in without)
    # How many samples of each dataset there are; without a plan as many as images.
    plan = getattr(getattr(runner.train_loop, 'sampler', None), 'plan', None)
    quota = sizes if plan is None else plan.quota
    own = sum(count for name, count in quota.items() if name not in without)
    return labelled, max(1, round(batch * own / sum(quota.values())))
