"""The equations of a learned label space (AutoUniSeg, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

#: Kinds of :func:`orthogonality_loss`.
ORTHOGONALITY = ('p_log_p', 'log_p')


def node_adjacency(weights: Tensor, sizes: Sequence[int]) -> Tensor:
    """Make links between nodes and classes of edge weights (AutoUniSeg, Eq. 2).

    Softmax over the classes of one dataset at each node, so that the links of a node with a dataset
    add up to 1. That is what the text of section 3.2 says; the denominator that is printed in
    Eq. (2) sums over nodes as well, and the links of a node would add up to 1 / N on average.

    Args:
        weights: Edge weights w of N nodes with the C classes of all datasets, dataset by dataset.
            Shape [N, C].
        sizes: Number of classes of each dataset; they add up to C.

    Returns:
        Links from 0 to 1. Shape [N, C].

    Raises:
        ValueError: The sizes do not add up to C.
    """
    if weights.dim() != 2 or weights.shape[1] != sum(sizes):
        raise ValueError(f'weights [N, C] with C = {sum(sizes)} classes are needed, got '
                         f'{list(weights.shape)}')
    return torch.cat([part.softmax(dim=1) for part in weights.split(list(sizes), dim=1)], dim=1)


def link_weight(probability: float, num_classes: int) -> float:
    """Return the edge weight that makes one of K classes so probable where the others' are 0.

    Args:
        probability: From 1 / K to below 1.
        num_classes: Number of classes K of the dataset.

    Raises:
        ValueError: ``probability`` is outside.
    """
    if num_classes == 1:
        return 0.0
    if not 1 / num_classes <= probability < 1:
        raise ValueError(f'probability={probability}: of {num_classes} classes a link can have '
                         f'{1 / num_classes:.3g} to below 1')
    return float(torch.tensor(probability / (1 - probability) * (num_classes - 1)).log())


def orthogonality_loss(features: Tensor, kind: str = 'p_log_p') -> Tensor:
    """Keep node features apart (AutoUniSeg, Eq. 7).

    With ``p_i = softmax(X x_i)_i``, how much node i is itself among all nodes: the sum over the
    nodes of ``-p log p`` as it is printed, or of ``-log p``. The first is largest at p = 1 / e:
    a node that is less than that itself is drawn to where all others are, since -p log p is 0 at
    p = 0 as well. The second falls wherever p rises.

    Args:
        features: Features X of N nodes. Shape [N, D].
        kind: ``'p_log_p'`` or ``'log_p'``.

    Returns:
        A scalar; 0 where there is one node.

    Raises:
        ValueError: Unknown ``kind``.
    """
    if kind not in ORTHOGONALITY:
        raise ValueError(f'kind={kind!r}: allowed are {", ".join(ORTHOGONALITY)}')
    log_p = (features @ features.T).log_softmax(dim=0).diagonal()  # of column i, row i
    return -(log_p.exp() * log_p if kind == 'p_log_p' else log_p).sum()


def class_weights_of_nodes(node_weights: Tensor, links: Tensor) -> Tensor:
    """Turn classifier rows of nodes into rows of classes (AutoUniSeg, Eqs. 4 and 5).

    ``s = M (X p) = (M X) p``: both are linear, so one row for each class gives the same logits as
    all nodes' logits that are added up, and neither these nor their gradients are ever held.

    Args:
        node_weights: Features X of N nodes. Shape [N, D].
        links: Links M from each node to the classes, boolean or from 0 to 1. Shape [N, K].

    Returns:
        Shape [K, D].
    """
    return links.to(node_weights.dtype).T @ node_weights
