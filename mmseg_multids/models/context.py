"""What the current batch is: which sample comes from which dataset, and how it is to be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Union

import torch
from mmengine.structures import BaseDataElement

from ..datasets.metainfo import Borrowed
from .mixing import MixedBatch

#: Name of the target that reads all nodes of the unified label space.
UNIFIED = 'unified'

#: Statistics that stand for no single dataset: the mixture of all of them (see ``DSBN``).
MEAN = 'mean'


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


def dataset_of(sample: BaseDataElement) -> str:
    """Return the dataset that a data sample is stamped with.

    Raises:
        ValueError: It is not stamped.
    """
    name = sample.metainfo.get('dataset')
    if name is None:
        raise ValueError('a sample has no `dataset` in its metainfo: load the data through '
                         "dict(type='MultiDataset', ...), which stamps it")
    return name


def dataset_order(names: Sequence[str], order: Sequence[str]) -> list[int]:
    """Return the positions of samples with datasets one after the other, in a fixed order.

    Layers and heads then work on views instead of gathering each dataset. Unknown names come first:
    they are refused by :func:`group_by_dataset`.
    """
    place = {name: i for i, name in enumerate(order)}
    return sorted(range(len(names)), key=lambda i: place.get(names[i], -1))


class Batch(NamedTuple):
    """What is known about a batch; see :class:`DatasetContext` for the fields."""

    names: tuple[str, ...] | None = None
    groups: tuple[DatasetGroup, ...] = ()
    target: str | None = None
    norm_groups: tuple[DatasetGroup, ...] = ()
    mixed: MixedBatch | None = None


class DatasetContext:
    """The batch at hand, shared by a segmentor, its heads and its dataset-specific layers.

    It is a plain object and no module: ``copy.deepcopy`` of a segmentor copies it together with the
    layers that hold it, so an averaged copy of a model has a context of its own.

    Gradient checkpointing runs parts of a forward again during backward, when a later forward may
    have changed the batch. :meth:`remember` therefore ties the batch to the losses that came of it,
    and :meth:`batch_of_pass` finds it again.

    Args:
        datasets: Names of all datasets, in the order of the label space.
        borrowed: Further names that samples may have, and whose labels and images theirs are; see
            :func:`.borrowed_from_cfg`.

    Attributes:
        datasets: Names of the datasets.
        sources: These and the further names, each after the dataset whose images its own are like.
        names: Dataset of each sample of the current batch, ``None`` outside a batch or where the
            datasets of the samples are not known.
        groups: The samples grouped by dataset.
        target: What predictions are read as: a dataset's name, :data:`UNIFIED`, or ``None``.
        norm_groups: The samples grouped by the dataset whose statistics normalise them. These are
            ``groups``, but for images of further names and of unseen datasets.
        distances: While a list, dataset-specific layers append how far each sample's statistics
            are from those that normalise it, [B].
    """

    def __init__(self, datasets: Sequence[str],
                 borrowed: Mapping[str, Borrowed] | None = None) -> None:
        self.datasets = tuple(datasets)
        self.borrowed = dict(borrowed or {})
        self.sources = tuple(source for dataset in self.datasets for source in (
            dataset, *(n for n, b in self.borrowed.items() if b.images_of == dataset)))
        self._batch = Batch()
        self._recalled: Batch | None = None
        self.distances: list[torch.Tensor] | None = None

    @property
    def names(self) -> tuple[str, ...] | None:
        """Dataset of each sample of the current batch."""
        return self._batch.names

    @property
    def groups(self) -> tuple[DatasetGroup, ...]:
        """The samples of the current batch, grouped by dataset."""
        return self._batch.groups

    def labels_of(self, name: str) -> str:
        """Return the dataset whose classes the labels of a sample of this name are."""
        return self.borrowed[name].labels_of if name in self.borrowed else name

    def images_of(self, name: str) -> str:
        """Return the dataset with whose images those of this name are normalised."""
        return self.borrowed[name].images_of if name in self.borrowed else name

    @property
    def target(self) -> str | None:
        """What predictions are read as."""
        return self._batch.target

    @property
    def mixed(self) -> MixedBatch | None:
        """The second half of what each image shows, where images are mixed across datasets."""
        return self._batch.mixed

    @contextmanager
    def batch(self, names: Sequence[str] | None, target: str | None = None,
              norm: Sequence[str] | None = None,
              mixed: MixedBatch | None = None) -> Iterator[DatasetContext]:
        """Set the batch for the duration of a ``with`` block; blocks may be nested.

        Args:
            names: Dataset of each sample, or ``None`` where they are not known.
            target: What predictions are read as.
            norm: Dataset whose statistics normalise each sample, or :data:`MEAN`. Default:
                those whose images they are.
            mixed: What else the images show.
        """
        groups: list[DatasetGroup] = []
        if names is not None:
            groups = group_by_dataset(names, self.sources)
        norm_groups = groups
        if norm is None and names is not None and not self.borrowed.keys().isdisjoint(names):
            norm = [self.images_of(name) for name in names]
        if norm is not None:
            norm_groups = group_by_dataset(norm, (*self.datasets, MEAN))
        saved = self._batch
        self._batch = Batch(None if names is None else tuple(names), tuple(groups), target,
                            tuple(norm_groups), mixed)
        self._recalled = None  # whatever was recalled belongs to a backward that is over
        try:
            yield self
        finally:
            self._batch = saved

    def remember(self, outputs: Mapping | Sequence | torch.Tensor) -> None:
        """Let the backward pass of these tensors find the current batch again.

        Autograd works through the outputs of a later forward before those of an earlier one, so
        one backward over several forwards is told apart as well.
        """
        if isinstance(outputs, Mapping):
            outputs = list(outputs.values())
        if isinstance(outputs, (list, tuple)):
            for output in outputs:
                self.remember(output)
        elif isinstance(outputs, torch.Tensor) and outputs.requires_grad:
            batch = self._batch

            def recall(_, self=self, batch=batch):
                self._recalled = batch

            outputs.register_hook(recall)

    def batch_of_pass(self) -> tuple[Batch, bool]:
        """Return the batch that a layer works on, and whether it runs again during backward."""
        # The id of the running backward pass; -1 outside, see torch.utils.checkpoint.
        if torch._C._current_graph_task_id() == -1:
            return self._batch, False
        return self._recalled or Batch(), True
