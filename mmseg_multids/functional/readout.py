"""Reading a dataset's classes out of the nodes of a unified label space."""

from __future__ import annotations

import torch
from torch import Tensor


def sum_node_logits(node_logits: Tensor, class_of_node: Tensor, num_classes: int) -> Tensor:
    """Sum the logits of all nodes that stand for the same class.

    The boolean form of AutoUniSeg, Eq. (5): ``s = M u`` with one class per node, so no matrix is
    built.

    Args:
        node_logits: Logits of N nodes. Shape [B, N, H, W].
        class_of_node: The class of each node, or -1 for none. Shape [N], int64.
        num_classes: Number of classes K of the dataset.

    Returns:
        Logits of the classes. Shape [B, K, H, W]. A class without a node gets 0.

    Raises:
        ValueError: The number of nodes differs, or an id is outside [-1, K).
    """
    if node_logits.shape[1] != class_of_node.numel():
        raise ValueError(f'node_logits has {node_logits.shape[1]} nodes (dimension 1), '
                         f'class_of_node has {class_of_node.numel()}')
    if class_of_node.numel() and not (-1 <= int(class_of_node.min())
                                      and int(class_of_node.max()) < num_classes):
        raise ValueError(f'class_of_node holds ids from {int(class_of_node.min())} to '
                         f'{int(class_of_node.max())}, allowed are -1 to {num_classes - 1}')
    used = class_of_node >= 0
    batch, _, height, width = node_logits.shape
    class_logits = node_logits.new_zeros(batch, num_classes, height, width)  # [B, K, H, W]
    return class_logits.index_add(1, class_of_node[used], node_logits[:, used])


def labels_to_nodes(labels: Tensor, node_of_class: Tensor, ignore_index: int,
                    node_ignore_index: int = -1) -> Tensor:
    """Translate a dataset's own label ids to the nodes that stand for them.

    Only losses over the nodes need this; label maps on disk and in batches keep the dataset's ids.
    The result is int64 and its ignore index is negative by default, so there may be more than 255
    nodes.

    Args:
        labels: Ids of the dataset's classes. Any shape, int64.
        node_of_class: The one node of each class. Shape [K], int64.
        ignore_index: The id in ``labels`` that is not labelled.
        node_ignore_index: The id that takes its place. Default: -1.

    Returns:
        Node ids, same shape as ``labels``.

    Raises:
        ValueError: A label is neither in [0, K) nor ``ignore_index``.
    """
    ignored = labels == ignore_index
    classes = labels.masked_fill(ignored, 0)
    num_classes = node_of_class.numel()
    # Checked on the CPU only: there it costs little, on a GPU it would wait for the device, where
    # the look-up itself asserts.
    if not classes.is_cuda and classes.numel() and (
            int(classes.min()) < 0 or int(classes.max()) >= num_classes):
        wrong = int(classes.max()) if int(classes.max()) >= num_classes else int(classes.min())
        raise ValueError(f'label id {wrong} is outside 0..{num_classes - 1} and is not '
                         f'ignore_index={ignore_index}')
    return node_of_class[classes].masked_fill(ignored, node_ignore_index)


def pixel_accuracy(logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    """Share of labelled pixels whose largest logit is the label, in percent.

    Where the logits are smaller than the labels, one label is taken for each logit: the share is
    an estimate, for a log.

    Args:
        logits: Shape [B, K, h, w].
        labels: Shape [B, H, W].
        ignore_index: Label id that does not count.

    Returns:
        A scalar tensor; 0 where no pixel is labelled.
    """
    with torch.no_grad():
        for dim in (1, 2):
            small, large = logits.shape[dim + 1], labels.shape[dim]
            if small != large:
                middle = (torch.arange(small, device=labels.device) + 0.5) * (large / small)
                labels = labels.index_select(dim, middle.long())
        labelled = labels != ignore_index
        correct = (logits.argmax(dim=1) == labels) & labelled
        return correct.sum() * 100.0 / labelled.sum().clamp(min=1)
