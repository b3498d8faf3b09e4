"""A second label per pixel: the best node outside a dataset's classes (UniSeg, section 4.4)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

#: Scores above which the other node takes the place of the own class (section 4.4).
THRESHOLDS = {'softmax': 0.1, 'sigmoid': 0.5}


class MultiLabelMaps(NamedTuple):
    """What each pixel is in a dataset's classes, and beside them; each of shape [B, H, W]."""

    #: Best class of the dataset, int64.
    own: Tensor
    #: Node of that class, the best one where it has several, int64.
    own_node: Tensor
    #: Best node that stands for no class of the dataset, int64; -1 where the dataset has them all.
    other: Tensor
    #: Score of that node, float32; 0 where there is none.
    other_score: Tensor

    def combine(self, threshold: float) -> Tensor:
        """Replace own classes by other nodes whose score is above a threshold.

        Returns:
            Ids of nodes. Shape [B, H, W], int64.
        """
        return torch.where(self.other_score > threshold, self.other, self.own_node)


@torch.no_grad()
def multi_label_maps(node_logits: Tensor, class_of_node: Tensor, activation: str = 'softmax',
                     class_logits: Tensor | None = None) -> MultiLabelMaps:
    """Find each pixel's best class of a dataset, and its best node outside the dataset.

    Ties go to the class, or node, of the smaller id. The nodes are gone through one by one, so that
    beside the logits nothing of the size N x H x W is held.

    Args:
        node_logits: Logits of the N nodes. Shape [B, N, H, W].
        class_of_node: The dataset's class of each node, -1 for none. Shape [N], int64.
        activation: What makes scores of logits: ``'softmax'`` over all N nodes, for models that
            were trained with a cross entropy, or ``'sigmoid'`` per node.
        class_logits: Logits of the dataset's classes, where its read-out does not sum those of the
            classes' nodes. Shape [B, K, H, W].

    Raises:
        ValueError: The number of nodes differs; no node is the dataset's; an unknown activation.

    Shapes:
        - each map of the result: [B, H, W]
    """
    if activation not in THRESHOLDS:
        raise ValueError(f'activation={activation!r}: allowed are {", ".join(THRESHOLDS)}')
    if node_logits.shape[1] != class_of_node.numel():
        raise ValueError(f'node_logits has {node_logits.shape[1]} nodes (dimension 1), '
                         f'class_of_node has {class_of_node.numel()}')
    classes = class_of_node.tolist()
    nodes_of_class: dict[int, list[int]] = {}
    for node, class_id in enumerate(classes):
        nodes_of_class.setdefault(class_id, []).append(node)
    outside = nodes_of_class.pop(-1, [])
    if not nodes_of_class:
        raise ValueError('class_of_node is -1 for every node: the dataset has no class')
    if class_logits is None:
        own, num_classes = _best_class(node_logits, nodes_of_class), max(classes) + 1
    else:
        own, num_classes = class_logits.argmax(dim=1), class_logits.shape[1]
    own_node = _node_of_class(node_logits, own, nodes_of_class, num_classes)
    other, best = _best_node(node_logits, outside)
    return MultiLabelMaps(own, own_node, other, _score(node_logits, best, activation))


def _best_class(node_logits: Tensor, nodes_of_class: dict[int, list[int]]) -> Tensor:
    """Class of the largest sum over its nodes. Shape [B, H, W], int64."""
    own = best = None
    for class_id in sorted(nodes_of_class):
        first, *more = nodes_of_class[class_id]
        logits = node_logits[:, first]  # [B, H, W]
        for node in more:
            logits = logits + node_logits[:, node]
        if own is None:
            own, best = torch.full_like(logits, class_id, dtype=torch.int64), logits.clone()
        else:
            _keep_better(own, best, logits, class_id)
    return own


def _best_node(node_logits: Tensor, nodes: list[int]) -> tuple[Tensor, Tensor | None]:
    """Best of some nodes, [B, H, W], and its logit; -1 and None where there are none."""
    shape = node_logits[:, 0]
    if not nodes:
        return torch.full_like(shape, -1, dtype=torch.int64), None
    best = node_logits[:, nodes[0]].clone()
    found = torch.full_like(shape, nodes[0], dtype=torch.int64)
    for node in nodes[1:]:
        _keep_better(found, best, node_logits[:, node], node)
    return found, best


def _keep_better(found: Tensor, best: Tensor, logits: Tensor, which: int) -> None:
    better = logits > best
    found.masked_fill_(better, which)
    torch.maximum(best, logits, out=best)


def _node_of_class(node_logits: Tensor, own: Tensor, nodes_of_class: dict[int, list[int]],
                   num_classes: int) -> Tensor:
    """Best node of each pixel's class. Shape [B, H, W], int64."""
    first = own.new_full((num_classes,), -1)
    for class_id, nodes in nodes_of_class.items():
        first[class_id] = nodes[0]
    found = first[own]
    for class_id, nodes in nodes_of_class.items():
        if len(nodes) > 1:
            found = torch.where(own == class_id, _best_node(node_logits, nodes)[0], found)
    return found


def _score(node_logits: Tensor, best: Tensor | None, activation: str) -> Tensor:
    """Score of the node whose logit is ``best``. Shape [B, H, W], float32."""
    if best is None:
        return torch.zeros_like(node_logits[:, 0], dtype=torch.float32)
    if activation == 'sigmoid':
        return best.float().sigmoid()
    top = node_logits[:, 0].float().clone()
    for node in range(1, node_logits.shape[1]):
        torch.maximum(top, node_logits[:, node].float(), out=top)
    total = torch.zeros_like(top)
    for node in range(node_logits.shape[1]):
        total += (node_logits[:, node].float() - top).exp_()
    return (best.float() - top).exp_() / total
