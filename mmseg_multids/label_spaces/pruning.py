"""Taking away links that are not used (AutoUniSeg, Appendix A)."""

from __future__ import annotations

import numpy as np


def kept_links(class_of_node: np.ndarray, usage: np.ndarray, num_classes: int,
               min_share: float = 0.0) -> np.ndarray:
    """Take away the links of one dataset's classes to nodes that win on none of its pixels.

    Each class keeps at least the node that wins most often, the first of them where none does.

    Args:
        class_of_node: Class of each node, -1 for none. Shape [N].
        usage: Pixels of the dataset's images on which each node wins. Shape [N].
        num_classes: Number of classes.
        min_share: A link also goes where its node wins on no more than this share of the pixels
            that all nodes of its class win together. 0 is the paper's: any pixel counts.

    Returns:
        Class of each node, -1 for none. Shape [N].

    Raises:
        ValueError: Shapes differ; a share outside 0 to 1.
    """
    class_of_node, usage = np.asarray(class_of_node), np.asarray(usage)
    if class_of_node.shape != usage.shape:
        raise ValueError(f'{len(class_of_node)} nodes, but the usage of {len(usage)}')
    if not 0 <= min_share < 1:
        raise ValueError(f'min_share={min_share}: a share from 0 to below 1 is needed')
    kept = class_of_node.copy()
    for c in range(num_classes):
        nodes = np.flatnonzero(class_of_node == c)
        if not len(nodes):
            continue
        idle = nodes[usage[nodes] <= min_share * usage[nodes].sum()]
        best = nodes[np.argmax(usage[nodes])]
        kept[idle[idle != best]] = -1
    return kept
