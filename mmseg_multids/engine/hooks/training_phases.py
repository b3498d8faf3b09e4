"""One run through all phases of learning a label space (AutoUniSeg, Algorithm 1)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from torch import nn

from ...apis.cross_heads import gather_confusions, node_usage
from ...apis.whole_images import loading_workers, training_images
from ...label_spaces import UnifiedLabelSpace
from ...label_spaces.cross_iou import cross_ious
from ...label_spaces.merging import (
    COSTS,
    best_merges,
    head_affinities,
    merge_costs,
    unify_by_merges,
)
from ...label_spaces.text_features import text_similarities
from ...models import GNNLabelMapper, MapperPhase
from ...processes import on_rank_0
from ...registry import HOOKS
from ..runner_parts import optimizers_of, plain_model, share_buffers

FIRST_LINKS = ('merges', 'affinity')
_KINDS = {phase.name.lower(): phase for phase in MapperPhase}


class Phase(NamedTuple):
    """A part of a run."""

    #: ``'heads'``, ``'graph'``, ``'segmentation'`` or ``'final'``.
    kind: str
    #: Iterations.
    iters: int
    #: Factor of all learning rates.
    lr_mult: float = 1.0
    #: Names of parts of the model that are not trained either, such as ``'backbone'``.
    frozen: tuple[str, ...] = ()
    #: In the last phase: after which share of it links that are not used are taken away.
    prune_at: float | None = None
    #: lambda_1 and lambda_2 of Eq. (8). Default: the mapper's.
    ce_weight: float | None = None
    orthogonality_weight: float | None = None


@HOOKS.register_module()
class TrainingPhases(Hook):
    """Leads a model with a :class:`GNNLabelMapper` through its phases (AutoUniSeg, Appendix A).

    - ``'heads'``: the network with a classifier for each dataset;
    - ``'graph'``: the graph network; all else stands still, batch norms too. Before the first one
      every head is tried on every dataset's training images, and the classes to merge are decided
      (Appendix B);
    - ``'segmentation'``: the network; before it, what every node stands for is solved (Appendix C);
    - ``'final'``: the network and the nodes; at ``prune_at`` links that the training images do not
      use are taken away. Right after ``'heads'`` it trains with the merged classes, without any
      graph.

    All that is decided is part of the checkpoint: a run that is stopped in any phase and resumed
    equals an uninterrupted one. The label spaces are written to ``<work_dir>/label_spaces``.

    Args:
        phases: Arguments of :class:`Phase`, in turn; their iterations add up to ``max_iters``.
        cost: Cost of merging, see :func:`mmseg_multids.label_spaces.merging.merge_costs`:
            ``'absolute'`` is Eq. (11).
        penalty: Cost of a node, lambda of Eq. (10).
        first_links: What a node is linked with at first in datasets that have none of its merged
            classes. ``'merges'``: all classes alike, as in the paper. ``'affinity'``: the nearer a
            class is to the node's own, see :func:`mmseg_multids.label_spaces.merging
            .head_affinities`, plus ``text_weight`` times :func:`mmseg_multids.label_spaces
            .text_features.text_similarities`.
        text_weight: Weight of texts beside what the heads say.
        label_space: Begin with the nodes of this file instead of merging. With the weights of a
            finished run (``load_from``) training goes on with an edited label space.
        merge_images: Try heads on so many images of each dataset. Default: all.
        prune_images: Look at so many images of each dataset for links that are used. Default: all.
        min_share: See :func:`mmseg_multids.label_spaces.pruning.kept_links`; 0 is the paper's.

    Raises:
        ValueError: Unknown kinds or keys; phases in an order that cannot be, or of no iterations;
            their iterations are not those of the run; the model has no :class:`GNNLabelMapper`; a
            run that is resumed had other phases.

    Example:
        >>> custom_hooks = [dict(type='TrainingPhases', phases=[
        ...     dict(kind='heads', iters=100000), dict(kind='graph', iters=20000),
        ...     dict(kind='segmentation', iters=20000), dict(kind='graph', iters=20000),
        ...     dict(kind='final', iters=100000, prune_at=0.5)])]
    """

    def __init__(self, phases: Sequence[dict], cost: str = 'relative', penalty: float = 0.5,
                 first_links: str = 'affinity', text_weight: float = 1.0,
                 label_space: str | None = None, merge_images: int | None = None,
                 prune_images: int | None = None, min_share: float = 0.05) -> None:
        self.phases = [_phase(i, dict(phase)) for i, phase in enumerate(phases)]
        self._check_order()
        if not penalty >= 0:
            raise ValueError(f'TrainingPhases: penalty={penalty}: a number from 0 is needed')
        for name, value in (('merge_images', merge_images), ('prune_images', prune_images)):
            if value is not None and value < 1:
                raise ValueError(f'TrainingPhases: {name}={value}: at least 1 is needed')
        if not 0 <= min_share < 1:
            raise ValueError(f'TrainingPhases: min_share={min_share}: a share from 0 to below 1 is '
                             'needed')
        if cost not in COSTS:
            raise ValueError(f'TrainingPhases: cost={cost!r}: allowed are {", ".join(COSTS)}')
        if first_links not in FIRST_LINKS:
            raise ValueError(f'TrainingPhases: first_links={first_links!r}: allowed are '
                             f'{", ".join(FIRST_LINKS)}')
        if not text_weight >= 0:
            raise ValueError(f'TrainingPhases: text_weight={text_weight}: a number from 0 is '
                             'needed')
        self.cost, self.penalty, self.label_space = cost, penalty, label_space
        self.first_links, self.text_weight = first_links, text_weight
        self.merge_images, self.prune_images = merge_images, prune_images
        self.min_share = min_share
        self._still: tuple[int, list[nn.Module]] = (-1, [])
        self.starts = np.cumsum([0, *(phase.iters for phase in self.phases)]).tolist()

    def _check_order(self) -> None:
        kinds = [phase.kind for phase in self.phases]
        allowed = {None: tuple(_KINDS), 'heads': ('graph', 'final'),
                   'graph': ('segmentation', 'final'), 'segmentation': ('graph', 'final'),
                   'final': ()}
        for before, kind in zip([None, *kinds], kinds):
            if kind not in allowed[before]:
                after = f'after {before!r}' if before else 'first'
                raise ValueError(f'TrainingPhases: {kind!r} cannot come {after}; allowed there: '
                                 f'{", ".join(allowed[before]) or "nothing"}')
        if not kinds:
            raise ValueError('TrainingPhases: phases is empty')

    # ---------------------------------------------------------------- hook

    def before_train(self, runner) -> None:
        """Check the phases against the run; on resuming go on in the phase at hand."""
        mapper, model = self._mapper(runner), plain_model(runner)
        if self.starts[-1] != runner.max_iters:
            raise ValueError(
                f'TrainingPhases: the phases have {self.starts[-1]} iterations '
                f'({" + ".join(str(phase.iters) for phase in self.phases)}), '
                f'train_cfg.max_iters={runner.max_iters}; they must be equal')
        others = [name for name, module in model.named_modules()
                  if isinstance(module, GNNLabelMapper) and module is not mapper]
        if others:
            raise ValueError('TrainingPhases leads the mapper of model.decode_head; '
                             f'{others[0]} is another one: give that head another classifier')
        for hook in runner.hooks:
            if isinstance(hook, EMAHook) and hook.begin_iter < self.starts[-2]:
                raise ValueError(
                    f'TrainingPhases: EMAHook averages from iteration {hook.begin_iter} on, but '
                    f'rows stand for other nodes after each decision: set begin_iter='
                    f'{self.starts[-2]}, where the last phase begins, or later')
        # What would fail after days is tried now.
        training_images(runner.cfg)
        mapper.check_solver()
        if self.label_space is not None:
            mapper.check_space(UnifiedLabelSpace.from_json(self.label_space))
        parts = dict(model.named_modules())
        for i, phase in enumerate(self.phases):
            for name in phase.frozen:
                if name not in parts:
                    raise ValueError(f'TrainingPhases: phases[{i}].frozen names {name!r}, which is '
                                     'no part of the model')
        if runner.iter == 0:
            self._begin(mapper)
            return
        begun = sum(start < runner.iter for start in self.starts[:-1])
        if int(mapper.begun) != begun or int(mapper.phases_key) != self._key():
            raise ValueError(
                f'TrainingPhases: at iteration {runner.iter} {begun} of the phases have begun, in '
                f'the weights {int(mapper.begun)}, or the phases have other lengths: the run that '
                'is resumed had other phases. Use them, or start anew with load_from')
        self._train_only(runner, self.phases[begun - 1])

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Enter a phase, prune, and keep what is not trained in evaluation mode."""
        if batch_idx in self.starts[:-1]:
            self._enter(runner, self.starts.index(batch_idx))
        index = int(np.searchsorted(self.starts, batch_idx, side='right')) - 1
        phase = self.phases[index]
        if phase.prune_at is not None and batch_idx == self.starts[index] + int(
                phase.prune_at * phase.iters):
            self._prune(runner)
        for module in self._frozen(runner, index):
            module.eval()

    # ---------------------------------------------------------------- phases

    def _key(self) -> int:
        """A number that differs where what a resumed run depends on does."""
        text = repr([(phase.kind, phase.iters, phase.lr_mult, phase.frozen, phase.prune_at)
                     for phase in self.phases])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], 'little')

    def _begin(self, mapper: GNNLabelMapper) -> None:
        first = self.phases[0].kind
        if first != 'heads' and self.label_space is None and int(mapper.begun) == 0:
            raise ValueError(
                f'TrainingPhases: the first phase is {first!r}, but no heads were trained: begin '
                'with heads, load weights of such a run (load_from), or give a label_space')
        mapper.begun.zero_()
        mapper.pruned.zero_()
        mapper.phases_key.fill_(self._key())

    def _mapper(self, runner) -> GNNLabelMapper:
        mapper = getattr(getattr(plain_model(runner), 'decode_head', None), 'mapper', None)
        if mapper is None:
            raise ValueError("TrainingPhases needs model.decode_head.classifier=dict(type="
                             "'GNNLabelMapper')")
        return mapper

    def _enter(self, runner, index: int) -> None:
        phase, mapper = self.phases[index], self._mapper(runner)
        kind = _KINDS[phase.kind]
        # Each process has running statistics of its own; what stands still must be the same.
        share_buffers(plain_model(runner))
        if kind != MapperPhase.HEADS and (mapper.current_phase == MapperPhase.HEADS or (
                index == 0 and self.label_space is not None)):
            mapper.merge(*self._merged(runner), keep_names=self.label_space is not None)
        if mapper.current_phase == MapperPhase.GRAPH and kind != MapperPhase.GRAPH:
            mapper.solve()
        mapper.phase.fill_(int(kind))
        mapper.begun.fill_(index + 1)
        before = self.phases[index - 1].lr_mult if index else 1.0
        for optimizer in optimizers_of(runner):
            # What stands still from now on must not move by gradients of before.
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group['lr'] *= phase.lr_mult / before
        self._train_only(runner, phase)
        self._report(runner, f'{index + 1}_{phase.kind}')

    def _merged(self, runner) -> tuple[UnifiedLabelSpace, np.ndarray | None]:
        """Return the nodes to begin with, and how near classes are."""
        if self.label_space is not None:
            return UnifiedLabelSpace.from_json(self.label_space), None
        model = plain_model(runner)
        confusions = gather_confusions(model, training_images(runner.cfg),
                                       max_images=self.merge_images,
                                       num_workers=loading_workers(runner.cfg))
        spaces = list(model.label_space.spaces.values())
        ious = cross_ious(confusions)
        costs = merge_costs(ious, spaces, self.cost)
        dataset_of = np.repeat(np.arange(len(spaces)), [s.num_classes for s in spaces])
        # Several solutions may be as good: rank 0 decides.
        merges = on_rank_0(lambda: best_merges(costs, dataset_of, self.penalty))
        nodes = unify_by_merges(spaces, merges)
        if self.first_links == 'merges':
            return nodes, None
        text = self._mapper(runner).graph.text_features.cpu().numpy()
        return nodes, head_affinities(ious, spaces) + self.text_weight * text_similarities(text)

    def _prune(self, runner) -> None:
        mapper = self._mapper(runner)
        if bool(mapper.pruned):
            return
        model = plain_model(runner)
        share_buffers(model)
        usage = node_usage(model, training_images(runner.cfg), self.prune_images,
                           loading_workers(runner.cfg))
        mapper.prune(usage, self.min_share)
        self._report(runner, 'pruned')

    def _report(self, runner, name: str) -> None:
        model = plain_model(runner)
        model.forget_unseen()
        space = self._mapper(runner).learned_space()
        print_log(f'Phase {name}' + ('' if space is None else f': {space.num_nodes} nodes for '
                  f'{sum(s.num_classes for s in space.spaces.values())} classes'),
                  logger='current')
        if space is not None and is_main_process():
            space.to_json(Path(runner.work_dir) / 'label_spaces' / f'{name}.json')

    def _frozen(self, runner, index: int) -> list[nn.Module]:
        """Return the topmost parts that stand still in a phase."""
        if self._still[0] != index:
            model, phase = plain_model(runner), self.phases[index]
            still = [model.get_submodule(name) for name in phase.frozen]
            if phase.kind == 'graph':
                still += _without(model, self._mapper(runner))
            self._still = (index, still)
        return self._still[1]

    def _train_only(self, runner, phase: Phase) -> None:
        """Let gradients go to what the phase trains, and to nothing else."""
        model, mapper = plain_model(runner), self._mapper(runner)
        kind = _KINDS[phase.kind]
        mapper.set_weights(phase.ce_weight, phase.orthogonality_weight)
        own = {id(p) for p in mapper.parameters()}
        for parameter in model.parameters():
            if id(parameter) not in own:
                parameter.requires_grad_(_is_trained(parameter) and kind != MapperPhase.GRAPH)
        for parameter in mapper.parameters():
            parameter.requires_grad_(False)
        for parameter in mapper.parameters_of(kind):
            parameter.requires_grad_(True)
        for name in phase.frozen:
            model.get_submodule(name).requires_grad_(False)
        if is_model_wrapper(runner.model):
            # Distributed training waits for the gradient of what needed one when it was wrapped.
            runner.model = runner.wrap_model(runner.cfg.get('model_wrapper_cfg'), model)


def _is_trained(parameter: nn.Parameter) -> bool:
    """Whether the config trains it at all (``frozen_stages`` and the like)."""
    if not hasattr(parameter, '_trained_before_phases'):
        parameter._trained_before_phases = parameter.requires_grad
    return parameter._trained_before_phases


def _phase(index: int, arguments: dict) -> Phase:
    unknown = sorted(set(arguments) - set(Phase._fields))
    if unknown:
        raise ValueError(f'TrainingPhases: phases[{index}] has no key {unknown[0]!r}; allowed: '
                         f'{", ".join(Phase._fields)}')
    missing = [key for key in ('kind', 'iters') if key not in arguments]
    if missing:
        raise ValueError(f'TrainingPhases: phases[{index}] lacks {missing[0]!r}')
    if isinstance(arguments.get('frozen'), str):
        raise ValueError(f'TrainingPhases: phases[{index}].frozen is the text '
                         f'{arguments["frozen"]!r}; a list of names is needed')
    phase = Phase(**{**arguments, 'frozen': tuple(arguments.get('frozen', ()))})
    if phase.kind not in _KINDS:
        raise ValueError(f'TrainingPhases: phases[{index}] is of kind {phase.kind!r}; allowed: '
                         f'{", ".join(_KINDS)}')
    if int(phase.iters) != phase.iters or phase.iters < 1:
        raise ValueError(f'TrainingPhases: phases[{index}] ({phase.kind}) has {phase.iters} '
                         'iterations; at least 1 is needed')
    if not phase.lr_mult > 0:
        raise ValueError(f'TrainingPhases: phases[{index}].lr_mult={phase.lr_mult}: a number above '
                         '0 is needed')
    if phase.prune_at is not None and (phase.kind != 'final' or not 0 <= phase.prune_at < 1):
        raise ValueError(f'TrainingPhases: phases[{index}].prune_at={phase.prune_at}: a share of '
                         "the 'final' phase from 0 to below 1 is needed")
    return phase


def _without(module: nn.Module, part: nn.Module) -> list[nn.Module]:
    """Return the topmost modules that neither are nor hold a part."""
    found = []
    for child in module.children():
        if child is part:
            continue
        found += _without(child, part) if any(m is part for m in child.modules()) else [child]
    return found
