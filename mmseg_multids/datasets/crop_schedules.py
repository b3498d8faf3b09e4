"""How large crops and batches are at which time (self-training, section 3.3)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

#: ``coarse2fine``: from the smallest to the largest size, some epochs each; ``fine2coarse``: the
#: other way round; with ``+`` another size in every epoch, over and over again.
KINDS = ('constant', 'coarse2fine', 'fine2coarse', 'coarse2fine+', 'fine2coarse+')


class Shape(NamedTuple):
    """What a batch is like."""

    #: Height and width of the crops.
    crop_size: tuple[int, int]
    #: Images of one process.
    batch_size: int


class CropSchedule:
    """Sizes of crops over the epochs of a run, with batches that grow as crops shrink.

    A small crop leaves memory for a larger batch: as many images as have at most the pixels of a
    batch of largest crops. An epoch is about a fixed number of images, so it has fewer iterations
    the smaller the crops are. Everything is a pure function of the iteration.

    Args:
        kind: One of :data:`KINDS`.
        sizes: Sides of the crops, or heights and widths; the paper has 400, 480, ..., 800.
        epochs: Epochs of the run; the paper has 180.
        epoch_images: Images of an epoch, of one process.
        batch_size: Images of a batch of the largest crops, of one process.
        stage_epochs: Epochs of each size of ``coarse2fine`` and ``fine2coarse``; what is left after
            all of them has the last size.
        warmup_epochs: Epochs of the largest size before the schedule begins (crop-size warm-up,
            section 4.3; the paper has 20).
        max_batch_size: Largest batch. Default: four times ``batch_size``, as the paper's 64.

    Raises:
        ValueError: An unknown kind, or numbers that cannot be.

    Example:
        >>> schedule = CropSchedule('coarse2fine+', range(400, 801, 80), epochs=180,
        ...                         epoch_images=372, batch_size=2, warmup_epochs=20)
        >>> schedule.shape_at(0)
        Shape(crop_size=(800, 800), batch_size=2)
    """

    def __init__(self, kind: str, sizes: Sequence[int | tuple[int, int]], epochs: int,
                 epoch_images: int, batch_size: int, stage_epochs: int = 30,
                 warmup_epochs: int = 0, max_batch_size: int | None = None) -> None:
        if kind not in KINDS:
            raise ValueError(f'CropSchedule: kind={kind!r}: allowed are {", ".join(KINDS)}')
        for name, value, least in (
                ('epochs', epochs, 1), ('epoch_images', epoch_images, 1),
                ('batch_size', batch_size, 1), ('stage_epochs', stage_epochs, 1),
                ('warmup_epochs', warmup_epochs, 0),
                ('max_batch_size', max_batch_size or batch_size, batch_size)):
            if int(value) != value or value < least:
                raise ValueError(f'CropSchedule: {name}={value}: a whole number from {least} is '
                                 'needed')
        found = [(size, size) if isinstance(size, int) else tuple(size) for size in sizes]
        if not found or any(len(size) != 2 or min(size) < 1 for size in found):
            raise ValueError(f'CropSchedule: sizes={list(sizes)}: sides above 0 are needed')
        self.kind, self.epochs, self.epoch_images = kind, epochs, epoch_images
        self.sizes = sorted(found, key=lambda size: size[0] * size[1])
        self.batch_size = batch_size
        self.max_batch_size = max_batch_size or 4 * batch_size
        self.stage_epochs, self.warmup_epochs = stage_epochs, warmup_epochs
        #: Iterations, and images, before each epoch and in all.
        self._starts = [0, *accumulate(self._iterations(e) for e in range(epochs))]
        self._images = [0, *accumulate(self._iterations(e) * self.shape_of_epoch(e).batch_size
                                       for e in range(epochs))]

    @property
    def iterations(self) -> int:
        """Iterations of the whole run."""
        return self._starts[-1]

    def step_of_epoch(self, epoch: int) -> int:
        """Return which of the sizes an epoch has, counted from the smallest."""
        last = len(self.sizes) - 1
        place = epoch - self.warmup_epochs
        if place < 0 or self.kind == 'constant':
            return last
        step = place % (last + 1) if self.kind.endswith('+') else min(
            place // self.stage_epochs, last)
        return step if self.kind.startswith('coarse') else last - step

    def shape_of_epoch(self, epoch: int) -> Shape:
        """Return what batches of an epoch are like."""
        size, largest = self.sizes[self.step_of_epoch(epoch)], self.sizes[-1]
        fits = self.batch_size * largest[0] * largest[1] // (size[0] * size[1])
        return Shape(size, min(fits, self.max_batch_size))

    def _iterations(self, epoch: int) -> int:
        return max(1, round(self.epoch_images / self.shape_of_epoch(epoch).batch_size))

    def span(self, epoch: int) -> tuple[int, int]:
        """Return the first iteration of an epoch, and that after its last one."""
        return self._starts[epoch], self._starts[epoch + 1]

    def epoch_at(self, iteration: int) -> int:
        """Return the epoch of an iteration; beyond the end the last one."""
        return min(bisect_right(self._starts, iteration), self.epochs) - 1

    def shape_at(self, iteration: int) -> Shape:
        """Return what the batch of an iteration is like."""
        return self.shape_of_epoch(self.epoch_at(iteration))

    def images_before(self, iteration: int) -> int:
        """Return how many images of one process the iterations before have taken."""
        epoch = self.epoch_at(iteration)
        return (self._images[epoch]
                + (iteration - self._starts[epoch]) * self.shape_of_epoch(epoch).batch_size)
