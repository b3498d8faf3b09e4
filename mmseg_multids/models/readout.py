"""Which rows of the node classifier a dataset needs, and how they become its classes."""

from __future__ import annotations

from typing import Union

import numpy as np
import torch
from torch import Tensor, nn

from ..functional import sum_node_logits
from ..label_spaces import UnifiedLabelSpace
from .context import UNIFIED

#: Logit of a class that no node stands for. Finite, so that resizing makes no NaN of it.
_NEVER = -1e4

#: How several nodes of a class of an unseen dataset are one logit.
REDUCTIONS = ('mean', 'max')


class ReadOut(nn.Module):
    """Reads one target out of the nodes: a dataset's classes, or the nodes themselves.

    Where each class has exactly one node the classifier's rows are taken in the order of the
    classes and nothing is left to do; where a class has several, their logits are summed
    (AutoUniSeg, Eq. 5).

    Args:
        label_space: The unified label space.
        target: A dataset's name or ``'unified'``.

    Attributes:
        num_outputs: Number of classes K of the target.
    """

    def __init__(self, label_space: UnifiedLabelSpace, target: str) -> None:
        super().__init__()
        self.target = target
        self._slice: slice | None = None
        # Not persistent: all of it follows from the label space.
        self.register_buffer('_rows', None, persistent=False)
        self.register_buffer('_class_of_row', None, persistent=False)
        if target == UNIFIED:
            self.num_outputs = label_space.num_nodes
            self._slice = slice(0, label_space.num_nodes)
            return
        self.num_outputs = label_space.space(target).num_classes
        class_of_node = label_space.class_of_node(target)
        rows = np.flatnonzero(class_of_node >= 0)
        if not label_space.classes_with_several_nodes(target):
            rows = label_space.node_of_class(target)
        else:
            self._class_of_row = torch.from_numpy(np.array(class_of_node[rows]))
        first = int(rows[0])
        if np.array_equal(rows, np.arange(first, first + len(rows))):
            self._slice = slice(first, first + len(rows))  # a view instead of a copy of the rows
        else:
            self._rows = torch.from_numpy(np.array(rows))

    @property
    def rows(self) -> Union[slice, Tensor]:  # noqa: UP007
        """The rows of the classifier that are needed."""
        return self._rows if self._slice is None else self._slice

    def forward(self, row_logits: Tensor) -> Tensor:
        """Turn the logits of the rows, [B, R, H, W], into those of the target, [B, K, H, W]."""
        if self._class_of_row is None:
            return row_logits
        return sum_node_logits(row_logits, self._class_of_row, self.num_outputs)

    def extra_repr(self) -> str:
        """Show the target and its size."""
        return f'target={self.target!r}, num_outputs={self.num_outputs}'


class MatchedReadOut:
    """Reads a dataset that the model was not trained on: channels selected by name (UniSeg, 4.1).

    A class has the logit of the node that it was matched with, and one that never wins where there
    is none. So the argmax is taken among the classes that both label spaces have. Where a class has
    several nodes: the mean, such as of the heads of a multi-head model; or the largest, so that the
    prediction is the class of the winning node.

    Args:
        class_of_node: Class of each node, -1 for none. Shape [N].
        num_classes: Number of classes K of the dataset.
        reduce: ``'mean'`` or ``'max'``.

    Raises:
        ValueError: Another ``reduce``.

    Attributes:
        num_outputs: K.
        rows: The rows of the classifier that are needed.
    """

    def __init__(self, class_of_node: np.ndarray, num_classes: int,
                 reduce: str = 'mean') -> None:
        if reduce not in REDUCTIONS:
            raise ValueError(f'reduce={reduce!r}: allowed are {", ".join(REDUCTIONS)}')
        self.num_outputs = num_classes
        self.reduce = reduce
        rows = np.flatnonzero(class_of_node >= 0)
        self.rows = torch.from_numpy(rows)
        self._class_of_row = torch.from_numpy(class_of_node[rows])
        self._counts = torch.from_numpy(np.bincount(class_of_node[rows], minlength=num_classes))

    def __call__(self, row_logits: Tensor) -> Tensor:
        """Turn the logits of the rows, [B, R, H, W], into those of the classes, [B, K, H, W]."""
        device = row_logits.device
        if self.reduce == 'max':
            batch, _, height, width = row_logits.shape
            classes = self._class_of_row.to(device)[None, :, None, None].expand_as(row_logits)
            return row_logits.new_full((batch, self.num_outputs, height, width), _NEVER) \
                .scatter_reduce(1, classes, row_logits, 'amax')
        sums = sum_node_logits(row_logits, self._class_of_row.to(device), self.num_outputs)
        counts = self._counts.to(device)[:, None, None]
        return (sums / counts.clamp(min=1)).masked_fill(counts == 0, _NEVER)
