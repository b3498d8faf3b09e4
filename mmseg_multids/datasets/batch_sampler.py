"""The batch sampler whose batches grow as crops shrink."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cached_property

from ..registry import DATA_SAMPLERS
from .crop_schedules import CropSchedule
from .plans import SamplePlan, build_plan
from .request import SampleRequest
from .sampler import MultiDatasetSampler

#: Plans whose blocks are made for a batch size.
_BY_BATCH = ('alternate', 'mixed')


@DATA_SAMPLERS.register_module()
class CropScheduleBatchSampler:
    """Batches whose crops and sizes follow a :class:`CropSchedule` (self-training, section 3.3).

    A batch is a pure function of plan, schedule, seed, rank and iteration, as samples of
    :class:`MultiDatasetSampler` are, so that any number of workers and resumed runs see the same.
    Plans that compose batches (``alternate``, ``mixed``) do so for each size of a batch; images of
    a dataset are drawn on where the batches before have stopped.

    The run's iterations are those of the schedule: ``train_cfg.max_iters`` may be left out. The
    learning rate is not scaled with the batch, and schedules of it count iterations.

    Args:
        sampler: A :class:`MultiDatasetSampler`; given by the runner.
        batch_size: Images of a batch of the largest crops; given by the runner.
        sizes: See :class:`CropSchedule`, as the further arguments. Or those of each dataset by
            name, equally many: the schedule is at the smallest, the next, ... of all of them at the
            same time, and batches are as large as the largest of them allow.
        epochs: Epochs of the run.
        kind: Kind of the schedule.
        epoch_images: Images of an epoch of all processes together. Default: those of all datasets.
        epoch_of: ``{name: share}`` instead: an epoch is over when so large a part of this dataset's
            images was drawn. With the plan's shares it follows how many images that are of all
            datasets: with ``dict(city=0.5)`` and ``ratio=dict(city=1, city_pseudo=7)`` half as many
            as ``city`` has, and seven times as many of ``city_pseudo`` (section 4.3).
        drop_last: Given by the runner, without meaning here.
        **options: ``stage_epochs``, ``warmup_epochs``, ``max_batch_size``.

    Raises:
        TypeError: The sampler is no :class:`MultiDatasetSampler`.
        ValueError: As :class:`CropSchedule`; the sampler has a crop size of its own; a dataset has
            no sizes, or another number of them; ``epoch_of`` beside ``epoch_images``, of several
            datasets, of one that is not in the mix, or without a share above 0.

    Example:
        >>> train_dataloader = dict(
        ...     batch_size=2, sampler=dict(type='MultiDatasetSampler', plan=dict(type='concat')),
        ...     batch_sampler=dict(type='CropScheduleBatchSampler', kind='coarse2fine+',
        ...                        sizes=(400, 480, 560, 640, 720, 800), epochs=180,
        ...                        warmup_epochs=20))
    """

    def __init__(self, sampler: MultiDatasetSampler, batch_size: int,
                 sizes: Sequence[int | tuple[int, int]] | Mapping, epochs: int,
                 kind: str = 'coarse2fine+',
                 epoch_images: int | None = None, epoch_of: Mapping[str, float] | None = None,
                 drop_last: bool = True, **options) -> None:
        if not isinstance(sampler, MultiDatasetSampler):
            raise TypeError('CropScheduleBatchSampler needs a MultiDatasetSampler, got '
                            f'{type(sampler).__name__}')
        if sampler.crop_size is not None:
            raise ValueError(f'the sampler has crop_size={sampler.crop_size}, the schedule has '
                             'sizes of its own; remove the former')
        self.sampler, self.batch_size = sampler, batch_size
        self._plans: dict[int, SamplePlan] = {}
        images = sum(sampler.sizes.values()) if epoch_images is None else epoch_images
        if epoch_of is not None:
            if epoch_images is not None:
                raise ValueError(f'crop schedule: epoch_of={dict(epoch_of)} and '
                                 f'epoch_images={epoch_images}; remove one of both')
            images = self._images_with(epoch_of)
        if isinstance(sizes, Mapping):
            _check_names(sizes, sampler.sizes)
        else:
            sizes = dict.fromkeys(sampler.sizes, sizes)
        schedules = {name: CropSchedule(kind, own, epochs, max(1, images // sampler.world_size),
                                        batch_size, **options) for name, own in sizes.items()}
        #: That of the dataset with the largest crops, which the sizes of batches follow.
        self.schedule = max(schedules.values(), key=lambda s: s.sizes[-1][0] * s.sizes[-1][1])
        self._sizes = {name: schedule.sizes for name, schedule in schedules.items()}
        numbers = {name: len(own) for name, own in self._sizes.items()}
        if len(set(numbers.values())) > 1:
            raise ValueError(f'crop schedule: the datasets have {numbers} sizes; equally many are '
                             'needed')
        self._draws  # noqa: B018 (plans that do not fit are refused now)

    def _images_with(self, epoch_of: Mapping[str, float]) -> int:
        """Return how many images the plan draws while it draws a part of one dataset's."""
        sizes = self.sampler.sizes
        if len(epoch_of) != 1:
            raise ValueError(f'crop schedule: epoch_of={dict(epoch_of)}: one dataset of the mix '
                             f'({", ".join(sizes)}) and a part of its images are needed, such as '
                             f'{ {next(iter(sizes)): 0.5} }')
        (name, share), = epoch_of.items()
        if name not in sizes:
            raise ValueError(f'crop schedule: epoch_of names {name!r}, which is not in the mix; '
                             f'known: {", ".join(sizes)}')
        if type(share) not in (int, float) or not 0 < share < math.inf:
            raise ValueError(f'crop schedule: epoch_of={dict(epoch_of)}: a part of the images of '
                             f'{name!r} above 0 is needed, such as 0.5')
        plan = self._plan(self.batch_size)
        return max(1, round(Fraction(str(share)) * sizes[name] * plan.period / plan.quota[name]))

    def _plan(self, batch_size: int) -> SamplePlan:
        if batch_size not in self._plans:
            self._plans[batch_size] = build_plan(self.sampler.plan_cfg, self.sampler.sizes,
                                                 batch_size, centroids=self.sampler.centroids)
        return self._plans[batch_size]

    @cached_property
    def _by_batch(self) -> bool:
        return self.sampler.plan_cfg.get('type') in _BY_BATCH

    @cached_property
    def _draws(self) -> list[dict[str, int]]:
        """What to add to the draws of each epoch's plan, which counts as if it had always been."""
        if not self._by_batch:
            self._plan(self.batch_size)
            return []
        real = dict.fromkeys(self.sampler.sizes, 0)
        found = []
        for epoch in range(self.schedule.epochs):
            size = self.schedule.shape_of_epoch(epoch).batch_size
            first, end = self.schedule.span(epoch)
            before, after = (self._plan(size).draws_before(i * size) for i in (first, end))
            found.append({name: real[name] - before[name] for name in real})
            real = {name: real[name] + after[name] - before[name] for name in real}
        return found

    def batch(self, iteration: int) -> list[SampleRequest]:
        """Return the requests of this rank's batch."""
        rank, world, seed = self.sampler.rank, self.sampler.world_size, self.sampler.seed
        shape = self.schedule.shape_at(iteration)
        plan, first = self._plan(shape.batch_size), self.schedule.images_before(iteration)
        epoch = self.schedule.epoch_at(iteration)
        step = self.schedule.step_of_epoch(epoch)
        requests = []
        for i in range(shape.batch_size):
            if self._by_batch:
                name, draw = plan.slot(iteration * shape.batch_size + i, seed)
                draw += self._draws[epoch][name]
                request = plan.request_of(name, draw, first + i, rank, world, seed)
            else:
                request = plan.request(first + i, rank, world, seed)
            requests.append(request._replace(crop_size=self._sizes[request.dataset][step]))
        return requests

    def __len__(self) -> int:
        """Batches of the whole run."""
        return self.schedule.iterations

    def __iter__(self) -> Iterator[list[SampleRequest]]:
        """Yield batches from the sampler's position, counted in batches here, on."""
        iteration = self.sampler.position
        while True:
            yield self.batch(iteration)
            iteration += 1


def _check_names(sizes: Mapping, datasets: Mapping[str, int]) -> None:
    """Refuse sizes by dataset that are not of just these datasets."""
    for names, others, what in ((sizes, datasets, 'is not in the mix'),
                                (datasets, sizes, 'has no sizes')):
        wrong = [name for name in names if name not in others]
        if wrong:
            raise ValueError(f'crop schedule: dataset {wrong[0]!r} {what}; the mix has '
                             f'{", ".join(datasets)}')
