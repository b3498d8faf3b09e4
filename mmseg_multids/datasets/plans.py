"""Sample plans: which dataset and which image stands at which position.

All plans are one mechanism. A plan is a block of slots that repeats; in a block, dataset d owns
``quota[d]`` slots. The order of the slots is fixed (``alternate``, ``mixed``) or permuted anew in
each block (``concat``, ``ratio``). The i-th slot of d in block t is draw ``t * quota[d] + i`` of
that rank; draws of all ranks together walk through permutations of d's images, one per epoch of d.

So every rank draws the same datasets at the same step but different images, every image of a
dataset comes in each of its epochs (once, but for filling up the ranks), and any position is
computed at once.

Where d has a centroid index, a share of its draws are crops around objects instead of images: the
classes come equally often, and each walks through its objects (self-training, section 3.2).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import gcd
from typing import NamedTuple

from .centroids import CentroidIndex
from .randomness import mix, permuted
from .request import SampleRequest

# Streams of random numbers that must not be related; 4 to 7 are used elsewhere.
_ORDER, _IMAGES, _SAMPLE, _CENTRES = 1, 2, 3, 8


class CentroidCrops(NamedTuple):
    """Which of a dataset's draws are crops around objects."""

    index: CentroidIndex
    #: From 0 to 1; the other draws are of images.
    share: Fraction


class SamplePlan:
    """A repeating block of slots, each owned by a dataset.

    Args:
        sizes: Number of images of each dataset.
        slots: Runs of slots ``[(dataset, length), ...]`` in the order of the block.
        shuffle: Permute the slots anew in each block.
        crop_size: Height and width put into each request; of each dataset by name, or one for all.
        centroids: Crops around objects, of the datasets that have them.

    Raises:
        ValueError: A dataset is empty, or owns no slot.
    """

    def __init__(self, sizes: Mapping[str, int], slots: Sequence[tuple[str, int]],
                 shuffle: bool,
                 crop_size: tuple[int, int] | Mapping[str, tuple[int, int]] | None = None,
                 centroids: Mapping[str, CentroidCrops] | None = None) -> None:
        self.sizes = dict(sizes)
        self.shuffle = shuffle
        self.crop_sizes = crop_sizes_of(crop_size, self.sizes)
        self.centroids = dict(centroids or {})
        self._names = tuple(self.sizes)
        self.quota = {name: 0 for name in self._names}
        #: (first slot, dataset, number of the dataset's slots before it in the block)
        self._runs: list[tuple[int, str, int]] = []
        self.period = 0
        for name, length in slots:
            self._runs.append((self.period, name, self.quota[name]))
            self.quota[name] += length
            self.period += length
        empty = [name for name, size in self.sizes.items() if size < 1]
        if empty:
            raise ValueError(f'dataset {empty[0]!r} is empty; sizes: {self.sizes}')
        without = [name for name, quota in self.quota.items() if quota < 1]
        if without:
            raise ValueError(f'dataset {without[0]!r} gets no sample; samples per block: '
                             f'{self.quota}, sizes: {self.sizes}')

    def slot(self, position: int, seed: int) -> tuple[str, int]:
        """Return the dataset at a position, and how many samples of it a rank has drawn before.

        For shuffled plans the count follows the unshuffled order of the block: it is unique, but
        does not grow with the position within a block.
        """
        block, offset = divmod(position, self.period)
        if self.shuffle:
            offset = permuted(offset, self.period, mix(seed, _ORDER, block))
        low, high = 0, len(self._runs)
        while high - low > 1:  # the last run that begins at or before the slot
            middle = (low + high) // 2
            low, high = (middle, high) if self._runs[middle][0] <= offset else (low, middle)
        start, name, before = self._runs[low]
        return name, block * self.quota[name] + before + offset - start

    def draws_before(self, position: int) -> dict[str, int]:
        """Return how many samples of each dataset a rank has drawn before a position.

        Raises:
            ValueError: The plan is shuffled, and the position is within a block.
        """
        block, offset = divmod(position, self.period)
        if self.shuffle and offset:
            raise ValueError('within a block of a shuffled plan draws are in no order')
        counts = {name: block * quota for name, quota in self.quota.items()}
        ends = [*(start for start, _, _ in self._runs[1:]), self.period]
        for (start, name, _), end in zip(self._runs, ends):
            counts[name] += min(max(offset - start, 0), end - start)
        return counts

    def request(self, position: int, rank: int, world_size: int, seed: int) -> SampleRequest:
        """Return the sample at a position of a rank's stream: a pure function of its arguments.

        Args:
            position: Number of samples that the rank has drawn before.
            rank: This process.
            world_size: Number of processes.
            seed: Seed of the run, the same on all ranks.
        """
        name, draw = self.slot(position, seed)
        return self.request_of(name, draw, position, rank, world_size, seed)

    def request_of(self, name: str, draw: int, position: int, rank: int, world_size: int,
                   seed: int) -> SampleRequest:
        """Return a rank's ``draw``-th sample of a dataset; ``position`` seeds its pipeline."""
        which, own_seed = self._names.index(name), mix(seed, _SAMPLE, rank, position) >> 1
        crop_size = self.crop_sizes.get(name)
        crops = self.centroids.get(name)
        if crops is not None:
            before = int(draw * crops.share)  # draws of objects so far: evenly spread
            if int((draw + 1) * crops.share) > before:
                found = crops.index.sample_uniform(before * world_size + rank,
                                                   mix(seed, _CENTRES, which))
                return SampleRequest(name, found.image, own_seed, crop_size, found.centre)
            draw -= before
        size = self.sizes[name]
        # An epoch is as many draws as all ranks need to see every image. Where the ranks do not
        # divide the images, its last draws begin anew, so that ranks never share an image.
        epoch, step = divmod(draw, -(-size // world_size))
        place = (step * world_size + rank) % size
        key = mix(seed, _IMAGES, which, epoch)
        return SampleRequest(name, permuted(place, size, key), own_seed, crop_size)


def crop_sizes_of(crop_size: tuple[int, int] | Mapping[str, tuple[int, int]] | None,
                  sizes: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Return the height and width of each dataset's crops, of those that are said.

    Raises:
        ValueError: An unknown dataset, or no height and width.
    """
    if crop_size is None:
        return {}
    if not isinstance(crop_size, Mapping):
        crop_size = {name: crop_size for name in sizes}
    refuse_unknown(crop_size, sizes, 'crop_size')
    for name, size in crop_size.items():
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f'crop_size of {name} is {size}: height and width above 0 are needed')
    return {name: tuple(size) for name, size in crop_size.items()}


def build_plan(cfg: Mapping, sizes: Mapping[str, int], batch_size: int | None,
               crop_size: tuple[int, int] | Mapping[str, tuple[int, int]] | None = None,
               centroids: Mapping[str, CentroidCrops] | None = None) -> SamplePlan:
    """Build a plan from a config.

    Args:
        cfg: ``dict(type=...)`` with one of

            - ``alternate``: one dataset per batch. ``counts={name: batches per cycle}``; or
              ``interval=t, first=name``: t batches of one, by default of the mix's first dataset,
              then one batch of each other (CDCL, section 3.2.3). Default: one batch of each.
            - ``mixed``: images of every dataset in each batch, as contiguous groups.
              ``counts={name: images per batch}``, or ``alpha``: proportional to size^alpha.
              Default: as equal as possible.
            - ``concat``: uniform over the union of all images.
            - ``ratio``: shuffled, ``ratio={name: weight}`` or ``alpha``: proportional to
              size^alpha.
        sizes: Number of images of each dataset.
        batch_size: Images per batch and rank; ``concat`` and ``ratio`` need none.
        crop_size: See :class:`SamplePlan`.
        centroids: See :class:`SamplePlan`.

    Raises:
        ValueError: Unknown type, argument or dataset; a quota of zero; a batch that is too small;
            no batch size where one is needed.
    """
    arguments = dict(cfg)
    kind = arguments.pop('type', None)
    builders = {'alternate': _alternate, 'mixed': _mixed, 'concat': _concat, 'ratio': _ratio}
    if kind not in builders:
        raise ValueError(f'unknown plan {kind!r}; allowed: {", ".join(builders)}')
    if kind in ('alternate', 'mixed') and batch_size is None:
        raise ValueError(f'plan {kind!r} needs the batch size: train with MultiDatasetTrainLoop, '
                         'which takes it from the loader, or give the sampler batch_size=...')
    allowed = list(inspect.signature(builders[kind]).parameters)[2:]
    for key in arguments:
        if key not in allowed:
            raise ValueError(f'plan {kind!r} has no {key!r}; allowed: '
                             f'{", ".join(allowed) or "nothing more"}')
    slots, shuffle = builders[kind](dict(sizes), batch_size, **arguments)
    return SamplePlan(sizes, slots, shuffle, crop_size, centroids)


def _alternate(sizes, batch_size, counts=None, first=None, interval=None):
    if counts is not None and (first is not None or interval is not None):
        raise ValueError("plan 'alternate': give counts, or first and interval")
    if interval is not None or first is not None:
        first = next(iter(sizes)) if first is None else first
        interval = 1 if interval is None else interval
        if isinstance(interval, bool) or not isinstance(interval, int) or interval < 1:
            raise ValueError(f"plan 'alternate': interval={interval!r} (batches of {first!r} in a "
                             'cycle); a whole number from 1 is needed')
        refuse_unknown([first], sizes, 'first')
        counts = {name: interval if name == first else 1 for name in sizes}
        order = [first, *(name for name in sizes if name != first)]
    else:
        refuse_unknown(counts or {}, sizes, 'counts')
        counts = {name: (counts or {}).get(name, 1) for name in sizes}
        order = list(sizes)
    _refuse_fractions(counts, sizes)
    return [(name, counts[name] * batch_size) for name in order], False


def _mixed(sizes, batch_size, counts=None, alpha=None):
    if counts is not None:
        refuse_unknown(counts, sizes, 'counts')
        counts = {name: counts.get(name, 0) for name in sizes}
        _refuse_fractions(counts, sizes)
        if sum(counts.values()) != batch_size:
            raise ValueError(f"plan 'mixed': counts {counts} add up to {sum(counts.values())}, the "
                             f'batch size is {batch_size}')
    else:
        weights = {name: Fraction(size ** (alpha or 0.0)) for name, size in sizes.items()}
        counts = _apportion(weights, batch_size, sizes)
    return list(counts.items()), False


def _concat(sizes, batch_size):
    return list(sizes.items()), True


def _ratio(sizes, batch_size, ratio=None, alpha=None):
    if (ratio is None) == (alpha is None):
        raise ValueError("plan 'ratio': give ratio={name: weight} or alpha")
    if ratio is None:
        weights = {name: Fraction(float(size) ** alpha) for name, size in sizes.items()}
        # Long enough that rounding to whole slots changes no share by more than a thousandth.
        return list(_apportion(weights, 1000 * len(sizes), sizes).items()), True
    refuse_unknown(ratio, sizes, 'ratio')
    weights = {name: Fraction(str(ratio.get(name, 0))) for name in sizes}
    if min(weights.values()) <= 0:
        raise ValueError(f"plan 'ratio': every dataset needs a weight above 0, got {dict(ratio)}; "
                         f'the datasets: {", ".join(sizes)}. One that is not to be drawn is left '
                         'out of train_dataloader.dataset.datasets')
    scale = 1
    for weight in weights.values():
        scale = scale * weight.denominator // gcd(scale, weight.denominator)
    quotas = {name: int(weight * scale) for name, weight in weights.items()}
    common = gcd(*quotas.values())
    return [(name, quota // common) for name, quota in quotas.items()], True


def _apportion(weights, total, sizes):
    """Share ``total`` slots by largest remainder; every dataset must get one."""
    whole = sum(weights.values())
    exact = {name: weight * total / whole for name, weight in weights.items()}
    counts = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[:total - sum(counts.values())]:
        counts[name] += 1
    _refuse_fractions(counts, sizes, weights, total)
    return counts


def _refuse_fractions(counts, sizes, weights=None, total=None):
    for name, count in counts.items():
        if not isinstance(count, int) or count < 1:
            shares = ''
            if weights is not None:
                rounded = {n: round(float(w), 3) for n, w in weights.items()}
                shares = f'; {total} slots, weights: {rounded}'
            raise ValueError(f'dataset {name!r} would get {count} samples of {counts}; whole '
                             f'numbers above 0 are needed (sizes: {sizes}{shares}). Use a larger '
                             'batch, or give the counts')


def refuse_unknown(names: Iterable[str], sizes: Mapping[str, int], argument: str) -> None:
    """Raise ValueError where an argument names a dataset that is not in the mix."""
    unknown = [name for name in names if name not in sizes]
    if unknown:
        raise ValueError(f'{argument} names {unknown[0]!r}, which is not in the mix; known: '
                         f'{", ".join(sizes)}')
