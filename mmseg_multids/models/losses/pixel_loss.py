"""What losses that work from a head's low-resolution logits have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from ...functional.soft_labels import SoftLabels, soft_label_loss
from ...label_spaces import UnifiedLabelSpace


class PixelLoss(nn.Module):
    """A mean over labelled pixels, from low-resolution logits and full-resolution labels.

    :class:`UniSegHead` gives such a loss its logits before they are enlarged; the loss works strip
    by strip (``functional.strips``) and never holds logits of the labels' size. Losses of
    MMSegmentation in the same ``loss_decode`` list get logits of the labels' size, as ever.

    Args:
        loss_weight: Factor of the loss.
        loss_name: Its key in the log, after the dataset's name.
        class_weight: Factors of pixels by their class, for each dataset: ``{'city': {'pole': 2}}``
            (others have 1) or a list over its classes. The mean is weighted, too.

    Raises:
        ValueError: When bound to a label space: an unknown dataset or class in ``class_weight``, a
            list of another length, a factor that is no number from 0.
    """

    #: How logits become scores: 'softmax' or 'sigmoid'.
    activation = 'softmax'

    def __init__(self, loss_weight: float = 1.0, loss_name: str = 'loss_ce',
                 class_weight: Mapping[str, Mapping[str, float] | Sequence[float]] | None = None,
                 ) -> None:
        super().__init__()
        self.loss_weight, self.loss_name = loss_weight, loss_name
        self.class_weight = dict(class_weight or {})
        #: Whether it is a mean over the labelled pixels; see ``UniSegHead.sync_normalizer``.
        self.avg_non_ignore = not self.class_weight

    def bind(self, label_space: UnifiedLabelSpace) -> None:
        """Take what is needed from the label space; called once, by the head."""
        unknown = sorted(set(self.class_weight) - set(label_space.datasets))
        if unknown:
            raise ValueError(f'class_weight of {self.loss_name} names {unknown[0]!r}; known '
                             f'datasets: {", ".join(label_space.datasets)}')
        for dataset in label_space.datasets:
            weights = None
            if dataset in self.class_weight:
                weights = _class_weights(self.class_weight[dataset],
                                         label_space.space(dataset).classes, dataset)
            # Not persistent: they follow from the config.
            self.register_buffer(f'class_weight_{dataset}', weights, persistent=False)

    def rows(self, dataset: str) -> Tensor | None:
        """Return the nodes whose logits are needed, or None for the dataset's own classes."""
        return None

    def uses_every_row(self) -> bool:
        """Whether the loss of each dataset trains all rows of the classifier."""
        return False

    def compute(self, logits: Tensor, labels: Tensor, dataset: str, **options) -> Tensor:
        """Return the loss; ``options`` are those of the functions in ``functional.pixel_losses``.

        Args:
            logits: Logits of :meth:`rows`. Shape [B, R, h, w].
            labels: Ids of the dataset's classes. Shape [B, H, W].
            dataset: The dataset of the samples.
            **options: ``ignore_index``, ``pixel_weight``, ``reduction``, ``align_corners``,
                ``class_weight``.
        """
        raise NotImplementedError

    def forward(self, logits: Tensor, labels: Tensor | SoftLabels, dataset: str,
                **options) -> Tensor:
        """Return the weighted loss; see :meth:`compute`. Soft labels take K times as long."""
        weights = getattr(self, f'class_weight_{dataset}')
        if isinstance(labels, SoftLabels):
            pixel_weight = options.pop('pixel_weight', None)
            hard = partial(self.compute, logits, dataset=dataset, **options)
            loss = soft_label_loss(hard, labels, options.get('ignore_index', 255), weights,
                                   pixel_weight)
        else:
            loss = self.compute(logits, labels, dataset, class_weight=weights, **options)
        return loss if self.loss_weight == 1.0 else loss * self.loss_weight


def _class_weights(given: Mapping[str, float] | Sequence[float], classes: Sequence[str],
                   dataset: str) -> Tensor:
    if isinstance(given, Mapping):
        unknown = sorted(set(given) - set(classes))
        if unknown:
            raise ValueError(f'class_weight of {dataset} names {unknown[0]!r}; its classes: '
                             f'{", ".join(classes)}')
        given = [given.get(name, 1.0) for name in classes]
    values = np.asarray(given, dtype=np.float32)
    if values.shape != (len(classes),) or not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError(f'class_weight of {dataset} is {given}: {len(classes)} numbers from 0 are '
                         'needed, or a dictionary by class name')
    return torch.from_numpy(values)
