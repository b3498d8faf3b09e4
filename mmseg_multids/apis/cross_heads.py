"""Every head, or every node, on every dataset: counts in one pass over the images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dist import all_reduce

from ..datasets import MultiDataset
from ..functional import add_confusions
from ..models import UNIFIED, MultiDatasetSegmentor
from .whole_images import check_max_images, embed, images_of


@torch.no_grad()
def gather_confusions(model: MultiDatasetSegmentor, images: MultiDataset,
                      targets: Sequence[str] | None = None,
                      max_images: int | None = None,
                      datasets: Sequence[str] | None = None,
                      num_workers: int = 0) -> dict[str, dict[str, np.ndarray]]:
    """Count which labels meet which predictions, for every dataset and every target.

    Several processes share the images and add up their counts; all return the same.

    Args:
        model: The model.
        images: Whole images with labels, such as :func:`.whole_images.training_images` returns. Of
            datasets that the model does not know only ``'unified'`` predictions mean something.
        targets: What to predict: datasets' names, ``'unified'`` for all nodes. Default: the model's
            datasets.
        max_images: Use so many images of each dataset, evenly spread.
        datasets: Use the images of these alone. Default: all.
        num_workers: Processes that load images.

    Returns:
        ``counts[dataset][target]``: number of pixels with each label (rows) and prediction
        (columns). Shape [L, P], int64.

    Raises:
        ValueError: ``max_images`` below 1; an unknown target.
    """
    check_max_images(max_images)
    head = model.decode_head
    targets = tuple(model.label_space.datasets if targets is None else targets)
    sizes = {target: head.num_outputs(target) for target in targets}
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    counts: dict[str, dict[str, np.ndarray]] = {}
    try:
        for dataset in images.names if datasets is None else datasets:
            classes = len(images.metainfo['datasets'][dataset]['classes'])
            sums = {target: torch.zeros(classes, size, dtype=torch.int64, device=device)
                    for target, size in sizes.items()}
            for image in images_of(model, images, dataset, max_images, num_workers):
                embedding = embed(model, image)
                for target in targets:
                    add_confusions(sums[target], head.classify(embedding, target), image.labels,
                                   head.ignore_index, head.align_corners)
            for found in sums.values():
                all_reduce(found)
            counts[dataset] = {target: found.cpu().numpy() for target, found in sums.items()}
    finally:
        model.train(was_training)
    return counts


def node_usage(model: MultiDatasetSegmentor, images: MultiDataset,
               max_images: int | None = None, num_workers: int = 0) -> dict[str, np.ndarray]:
    """Count on how many labelled pixels of each dataset each node wins.

    Returns:
        ``usage[dataset]``. Shape [N], int64.
    """
    counts = gather_confusions(model, images, (UNIFIED,), max_images,
                               num_workers=num_workers)
    return {dataset: found[UNIFIED].sum(axis=0) for dataset, found in counts.items()}
