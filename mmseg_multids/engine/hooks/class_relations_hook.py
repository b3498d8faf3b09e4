"""Class relations between the two stages of a run (UniSeg, section 3.4)."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.dist import broadcast, is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.logging import print_log

from ...apis.relations import check_similarity, gather_relations
from ...apis.whole_images import loading_workers, training_images
from ...datasets.randomness import mix
from ...models import ClassRelationalBCELoss, StagedNodeClassifier
from ...registry import HOOKS, MODELS
from ...visualization.relations import draw_relations
from ..runner_parts import optimizers_of, plain_model, share_buffers


@HOOKS.register_module()
class ClassRelationsHook(Hook):
    """Gathers class relations before an iteration, and trains on with them.

    Until then :class:`ClassRelationalBCELoss` is Null BCE. The relations are part of the
    checkpoint, and gathering follows from the weights alone: a run that is resumed in either stage
    equals an uninterrupted one. Files of the relations are written to
    ``<work_dir>/class_relations``.

    The second stage may have another classifier (:class:`StagedNodeClassifier`) and may start
    afresh: the paper trains one model for the relations and another with them.

    Args:
        begin: First iteration that uses the relations.
        similarity: As in :func:`mmseg_multids.apis.relations.gather_relations`.
        tau: Threshold. Default: the paper's automatic one.
        max_images: Use so many images of each dataset. Default: all.
        restart: Train the second stage from new weights, those that the config initialises the
            model with, and an optimiser without a past. The learning rate is the first
            iteration's; a schedule that begins at ``begin`` lets it decay again.

    Raises:
        ValueError: Before training: no loss can take relations, or it has them from a file;
            ``begin`` is no iteration of the run.
            ``restart`` with averaged weights, which have a past.
        TypeError: Before training: the classifier has no such similarity.

    Example:
        >>> custom_hooks = [dict(type='ClassRelationsHook', begin=20000, restart=True)]
        >>> param_scheduler = [dict(type='PolyLR', power=0.9, by_epoch=False, begin=0, end=20000),
        ...                    dict(type='PolyLR', power=0.9, by_epoch=False, begin=20000)]
    """

    def __init__(self, begin: int, similarity: str = 'cosine', tau: float | None = None,
                 max_images: int | None = None, restart: bool = False) -> None:
        self.begin, self.similarity, self.tau = begin, similarity, tau
        self.max_images, self.restart = max_images, restart

    def _losses(self, runner) -> list[ClassRelationalBCELoss]:
        return [m for m in runner.model.modules() if isinstance(m, ClassRelationalBCELoss)]

    def before_train(self, runner) -> None:
        """Refuse now what would fail after the first stage."""
        if not 0 < self.begin < runner.max_iters:
            raise ValueError(f'ClassRelationsHook: begin={self.begin} must be above 0 and below '
                             f'max_iters={runner.max_iters}')
        for name, value in (('tau', self.tau), ('max_images', self.max_images)):
            if value is not None and (isinstance(value, bool)
                                      or not isinstance(value, (int, float))):
                raise ValueError(f'ClassRelationsHook: {name}={value!r}: a number is needed, or '
                                 'None')
        losses = self._losses(runner)
        if not losses:
            raise ValueError("ClassRelationsHook needs loss_decode=dict(type="
                             "'ClassRelationalBCELoss') in a head")
        if any(loss.relations is not None for loss in losses):
            raise ValueError('ClassRelationsHook: the loss has relations from a file already; '
                             'remove one of both')
        for loss in losses:
            loss.awaits_relations = True
        for hook in runner.hooks:
            if isinstance(hook, EMAHook) and (
                    self.restart or getattr(hook.ema_model, 'update_buffers', False)):
                raise ValueError(
                    'ClassRelationsHook and EMAHook go together with restart=False and without '
                    'update_buffers=True: its average would hold the first stage')
        if runner.iter <= self.begin:  # else the second stage has begun
            self._check_first_stage(runner, losses)

    def _check_first_stage(self, runner, losses: list[ClassRelationalBCELoss]) -> None:
        begun = any(loss.has_relations() for loss in losses) or any(
            int(module.stage) for module in runner.model.modules()
            if isinstance(module, StagedNodeClassifier))
        if begun:
            raise ValueError(
                'ClassRelationsHook: the loaded weights have class relations already, so the first '
                'stage would not be Null BCE. Start from weights of a first stage, or go on with '
                'the relations: remove the hook')
        check_similarity(plain_model(runner), self.similarity)
        training_images(runner.cfg)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Set the learning rate back, before the schedules of the second stage begin with it."""
        if self.restart and batch_idx == self.begin - 1:
            for optimizer in optimizers_of(runner):
                for group in optimizer.param_groups:
                    group['lr'] = group.get('initial_lr', group['lr'])

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Gather and set."""
        if batch_idx != self.begin:
            return
        model = plain_model(runner)
        share_buffers(model)
        relations = gather_relations(
            model, training_images(runner.cfg), self.similarity, self.tau, self.max_images,
            {'run': runner.experiment_name, 'iteration': str(self.begin)},
            loading_workers(runner.cfg))
        if self.restart:
            _restart(runner, self.begin)
        for module in runner.model.modules():
            if isinstance(module, StagedNodeClassifier):
                module.advance()
            if isinstance(module, ClassRelationalBCELoss):
                module.set_relations(relations)
        found = relations.relations()
        listed = ''.join(f'\n  {r.dataset}: {r.primary} -> {r.secondary} '
                         f'({r.score:.3f}, own {r.own_score:.3f})' for r in found)
        print_log(f'class relations, threshold {relations.tau:.4f}: {len(found)} second labels'
                  f'{listed}', logger='current')
        if is_main_process():
            folder = Path(runner.work_dir) / 'class_relations'
            relations.to_json(folder / 'relations.json')
            draw_relations(relations, folder / 'relations.png')


def _restart(runner, iteration: int) -> None:
    """Give the model new weights, the same on all processes, and the optimiser no past."""
    model = plain_model(runner)
    with torch.random.fork_rng(devices=[]):  # the new model is built on the CPU
        # The loop's seed is the checkpoint's after resuming.
        seed = getattr(runner.train_loop, '_seed', runner.seed) or 0
        torch.manual_seed(mix(seed, iteration) >> 1)
        fresh = MODELS.build(runner.cfg.model)
        fresh.init_weights()
    state = fresh.state_dict()
    for value in state.values():
        broadcast(value)
    model.load_state_dict(state)
    for optimizer in optimizers_of(runner):
        optimizer.state.clear()
        optimizer.zero_grad()  # of batches that were accumulated before
    merger = getattr(runner.train_loop, '_merger', None)
    if merger is not None:
        merger.restart()
