"""Predicting classes that a dataset does not have, beside its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..models import UNIFIED, MultiDatasetSegmentor
from ..models.segmentors.multi_label import (
    MultiLabelPrediction,
    read_multi_label,
    resolve_threshold,
)
from .inference import inference, read_tested


def multi_label_inference(model: MultiDatasetSegmentor,
                          images: str | Path | np.ndarray | Sequence[str | Path | np.ndarray],
                          dataset: str | None = None, threshold: float | None = None,
                          label_space: str | None = None,
                          ) -> MultiLabelPrediction | list[MultiLabelPrediction]:
    """Predict a dataset's own classes, and the best class of the others (UniSeg, section 4.4).

    Args:
        model: A model of :func:`init_model`.
        images: As in :func:`inference`.
        dataset: The dataset that the images come from; its classes are the own ones. May be left
            out where the model has one dataset.
        threshold: Score above which a class of another dataset takes the place of the own one.
            Default: 0.5 for models trained with a binary cross entropy, 0.1 for others.
        label_space: The dataset whose classes are the own ones, where it is not ``dataset``, which
            may then be one that the model was not trained on.

    Returns:
        A prediction, or a list of them for a sequence, at the images' sizes. Scores are a softmax
        over all nodes, or a sigmoid per node for models trained with a binary cross entropy.

    Raises:
        ValueError: As :func:`inference`; ``'unified'``; a threshold that is no score.
        FileNotFoundError: An image does not exist.

    Example:
        >>> result = multi_label_inference(model, 'street.png', dataset='city')
        >>> names = [result.nodes[i] for i in np.unique(result.combined)]
        >>> draw_multi_label([(image, result)], 'street_multi_label.png')
    """
    resolve_threshold(threshold, model.decode_head.activation)
    known = model.label_space.datasets
    target = label_space or dataset or (known[0] if len(known) == 1 else None)
    if target is not None:
        read_tested(model, target)
    if target == UNIFIED or (target is not None and target not in (*known, *model.unseen)):
        raise ValueError(f'multi-label prediction beside the classes of {target!r}: name a dataset '
                         f'of the model, {", ".join(known)}, as dataset or, for images of another '
                         'one, as label_space')
    single = isinstance(images, (str, Path, np.ndarray))
    results = []
    for image in [images] if single else images:  # one by one: logits of all nodes are large
        sample = inference(model, image, dataset=dataset, label_space=UNIFIED)
        read_multi_label(model, sample, target, threshold)
        results.append(MultiLabelPrediction.from_sample(model, sample))
    return results[0] if single else results
