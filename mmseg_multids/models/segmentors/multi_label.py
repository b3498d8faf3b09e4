"""Multi-label predictions: a dataset's classes, and beside them the nodes it has no class for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from mmengine.structures import PixelData

from ...functional import THRESHOLDS, multi_label_maps
from ..context import UNIFIED

if TYPE_CHECKING:
    from .multi_dataset import MultiDatasetSegmentor

#: The value of ``test_cfg.multi_label`` that stands for the activation's threshold.
AUTO = 'auto'


def resolve_threshold(threshold: float | str | None, activation: str) -> float:
    """Return the threshold of multi-label predictions.

    Args:
        threshold: A score from 0 to 1; ``None`` or ``'auto'`` for that of UniSeg, section 4.4: 0.5
            for scores of a sigmoid, 0.1 for those of a softmax.
        activation: ``'sigmoid'`` or ``'softmax'``.

    Raises:
        ValueError: It is no such score.
    """
    if threshold is None or threshold == AUTO:
        return THRESHOLDS[activation]
    if isinstance(threshold, (bool, str)) or not 0 <= threshold <= 1:
        raise ValueError(f'multi-label threshold {threshold!r}: a score from 0 to 1 is needed, or '
                         f'{AUTO!r} for {", ".join(f"{v} ({k})" for k, v in THRESHOLDS.items())}')
    return float(threshold)


def read_multi_label(model: MultiDatasetSegmentor, sample, target: str,
                     threshold: float | str | None = None) -> None:
    """Turn a sample's logits of all nodes into a multi-label prediction (UniSeg, section 4.4).

    Afterwards ``seg_logits`` and ``pred_sem_seg`` are those of the dataset's own classes, as if no
    other had been asked for, and ``pred_multi_label`` has ``data`` (combined, ids of nodes),
    ``own_node``, ``other`` and ``other_score``, each [1, H, W]. The metainfo gets ``multi_label``:
    whose classes are the own ones, and the threshold.

    Args:
        model: The model.
        sample: Data sample with ``seg_logits`` [N, H, W]; it is changed.
        target: The dataset whose classes are the own ones.
        threshold: As in :func:`resolve_threshold`.

    Raises:
        ValueError: No dataset of the model; a threshold that is no score.
    """
    if target == UNIFIED:
        raise ValueError(f'multi-label prediction with {UNIFIED!r}: nothing is beside all nodes; '
                         f'name a dataset: {", ".join(model.label_space.datasets)}')
    head = model.decode_head
    threshold = resolve_threshold(threshold, head.activation)
    class_of_node = torch.from_numpy(np.array(model.class_of_node(target)))
    node_logits = sample.seg_logits.data[None]  # [1, N, H, W]
    readout = head.readout(target)
    class_logits = readout(node_logits[:, readout.rows])  # [1, K, H, W]
    maps = multi_label_maps(node_logits, class_of_node, head.activation, class_logits)
    sample.set_data({
        'seg_logits': PixelData(data=class_logits[0]),
        'pred_sem_seg': PixelData(data=maps.own),
        'pred_multi_label': PixelData(data=maps.combine(threshold), own_node=maps.own_node,
                                      other=maps.other, other_score=maps.other_score)})
    sample.set_metainfo({'multi_label': {'dataset': target, 'threshold': threshold}})


@dataclass(frozen=True)
class MultiLabelPrediction:
    """What an image is in a dataset's classes, and beside them.

    Attributes:
        dataset: The dataset whose classes are the own ones.
        own: Own class of each pixel, an id of ``classes``. Shape [H, W], int64.
        own_node: The node of that class, an id of ``nodes``. Shape [H, W], int64.
        other: Best node that stands for no own class; -1 where there is none. Shape [H, W], int64.
        other_score: Its score, from 0 to 1. Shape [H, W], float32.
        combined: ``other`` where its score is above the threshold, else ``own_node``. Shape
            [H, W], int64.
        threshold: The threshold.
        classes: Names of the dataset's K classes.
        nodes: Names of the N nodes.
        palette: An RGB colour per node.
    """

    dataset: str
    own: np.ndarray
    own_node: np.ndarray
    other: np.ndarray
    other_score: np.ndarray
    combined: np.ndarray
    threshold: float
    classes: tuple
    nodes: tuple
    palette: tuple

    @classmethod
    def from_sample(cls, model: MultiDatasetSegmentor, sample) -> MultiLabelPrediction:
        """Take the prediction out of a data sample of :func:`read_multi_label`.

        Raises:
            ValueError: The sample has none.
        """
        if 'pred_multi_label' not in sample:
            raise ValueError('the sample has no multi-label prediction: set '
                             f"model.test_cfg['multi_label'] to {AUTO!r} or a threshold")
        about, maps = sample.metainfo['multi_label'], sample.pred_multi_label
        return cls(
            dataset=about['dataset'], threshold=about['threshold'],
            own=_array(sample.pred_sem_seg.data), own_node=_array(maps.own_node),
            other=_array(maps.other), other_score=_array(maps.other_score),
            combined=_array(maps.data), classes=model.space_of(about['dataset']).classes,
            nodes=model.label_space.nodes, palette=model.label_space.palette)


def _array(data: torch.Tensor) -> np.ndarray:
    return data[0].cpu().numpy()
