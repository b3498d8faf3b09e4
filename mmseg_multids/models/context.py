"""What the current batch is: which sample comes from which dataset, and how it is to be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Union

import torch

#: Name of the target that reads all nodes of the unified label space.
UNIFIED = 'unified'


class DatasetGroup(NamedTuple):
    """The samples of one dataset within a batch."""

    dataset: str
    #: A slice where the samples are contiguous (a view, no copy), else their positions.
    samples: Union[slice, torch.Tensor]  # noqa: UP007 (evaluated at run time on Python 3.9)
    size: int


def group_by_dataset(names: Sequence[str], order: Sequence[str]) -> list[DatasetGroup]:
    """Group the samples of a batch by dataset, in a fixed order of datasets.

    The order of the groups does not depend on the order of the samples, so that all ranks of a
    distributed run go through the datasets alike.

    Args:
        names: Dataset of each sample.
        order: All known datasets.

    Raises:
        ValueError: A name is not known.
    """
    unknown = sorted(set(names) - set(order))
    if unknown:
        raise ValueError(f'unknown dataset {unknown[0]!r} in a batch; the model knows '
                         f'{", ".join(order)}')
    groups = []
    for dataset in order:
        positions = [i for i, name in enumerate(names) if name == dataset]
        if not positions:
            continue
        first, last = positions[0], positions[-1]
        contiguous = last - first + 1 == len(positions)
        samples = slice(first, last + 1) if contiguous else torch.tensor(positions)
        groups.append(DatasetGroup(dataset, samples, len(positions)))
    return groups


class DatasetContext:
    """The batch at hand, shared by a segmentor, its heads and its dataset-specific layers.

    It is a plain object and no module: ``copy.deepcopy`` of a segmentor copies it together with the
    layers that hold it, so an averaged copy of a model has a context of its own.

    Args:
        datasets: Names of all datasets, in the order of the label space.

    Attributes:
        names: Dataset of each sample of the current batch, ``None`` outside a batch or where the
            datasets of the samples are not known.
        groups: The samples grouped by dataset.
        target: What predictions are read as: a dataset's name, :data:`UNIFIED`, or ``None``.
    """

    def __init__(self, datasets: Sequence[str]) -> None:
        self.datasets = tuple(datasets)
        self.names: tuple[str, ...] | None = None
        self.groups: list[DatasetGroup] = []
        self.target: str | None = None

    @contextmanager
    def batch(self, names: Sequence[str] | None,
              target: str | None = None) -> Iterator[DatasetContext]:
        """Set the batch for the duration of a ``with`` block; blocks may be nested.

        Args:
            names: Dataset of each sample, or ``None`` where they are not known.
            target: What predictions are read as.
        """
        saved = self.names, self.groups, self.target
        self.names = None if names is None else tuple(names)
        self.groups = [] if names is None else group_by_dataset(self.names, self.datasets)
        self.target = target
        try:
            yield self
        finally:
            self.names, self.groups, self.target = saved
