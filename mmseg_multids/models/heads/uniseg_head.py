"""One decode head for many datasets: a pixel embedder and a classifier over nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import BaseModule
from mmseg.models.utils import resize
from mmseg.structures import OHEMPixelSampler, build_pixel_sampler
from torch import Tensor, nn

from ...functional import hard_pixels, pixel_accuracy
from ...functional.soft_labels import SoftLabels, soften
from ...label_spaces import UnifiedLabelSpace
from ...registry import MODELS
from ..context import UNIFIED, DatasetContext, DatasetGroup
from ..contrast import PrototypeContrast
from ..label_mapper import GNNLabelMapper, MapperPhase
from ..losses import PixelLoss
from ..readout import MatchedReadOut, ReadOut
from .embedder import build_pixel_embedder


@MODELS.register_module()
class UniSegHead(BaseModule):
    """Wraps any pixel-wise MMSegmentation decode head and classifies nodes.

    The wrapped head embeds pixels; a classifier gives the logits of the label space's nodes, of
    which only the rows that a dataset needs are computed; a read-out makes them the dataset's
    classes. Losses are computed per dataset present, in a fixed order, and named
    ``<dataset>.loss_ce``; a dataset that is absent adds no key.

    Args:
        head: Config of the wrapped decode head, without ``num_classes``, losses and sampler.
        label_space: The unified label space; given by the segmentor.
        context: The batch at hand; given by the segmentor.
        classifier: Config of the classifier over nodes.
        loss_decode: Config of a loss or a list of them. A :class:`PixelLoss` gets the logits that
            it asks for before they are enlarged; any other, such as MMSegmentation's, gets those of
            the dataset's classes at the size of the labels, which takes far more memory.
        dataset_weights: Weight of each dataset's loss; a dataset that is not named has 1. Entries
            with ``labels_of``, such as pseudo labels, have weights of their own.
        dataset_reduction: ``'mean'`` weighs each dataset by its share of the batch's images, so a
            batch of several datasets has the loss of its average image; ``'pixels'`` by its share
            of the labelled pixels, so it is one mean over all of them. They differ where a dataset
            has few labelled pixels, such as pseudo labels above a threshold: by ``'mean'`` each of
            these counts more. ``'sum'`` adds the datasets' losses.
        sampler: Config of a pixel sampler. A :class:`PixelLoss` takes ``OHEMPixelSampler`` only,
            and chooses pixels by its own losses.
        sync_normalizer: Divide each dataset's loss by its labelled pixels on all processes, so that
            every labelled pixel counts alike; otherwise each process divides by its own. Needs
            losses with ``avg_non_ignore=True``, as ``'pixels'`` does, and no pixel sampler.
        ignore_index: Label id that is not labelled.
        contrast: Arguments of :class:`PrototypeContrast`, an auxiliary loss on the embedding.
        init_cfg: MMEngine's initialisation.

    Raises:
        ValueError: Unknown dataset in ``dataset_weights``; unknown reduction; a loss over the nodes
            with a label space in which a class has several nodes; ``sync_normalizer`` with a loss
            that is no mean over labelled pixels.
        TypeError: The wrapped head is no pixel-wise classifier; another pixel sampler.

    Example:
        >>> decode_head = dict(
        ...     type='UniSegHead',
        ...     head=dict(type='PSPHead', in_channels=512, in_index=3, channels=128),
        ...     classifier=dict(type='LinearNodeClassifier'),
        ...     loss_decode=dict(type='PixelCrossEntropyLoss'))
    """

    def __init__(self,
                 head: dict,
                 *,
                 label_space: UnifiedLabelSpace,
                 context: DatasetContext,
                 classifier: dict = {'type': 'LinearNodeClassifier'},  # noqa: B006 (never changed)
                 loss_decode: dict | Sequence[dict] = {'type': 'PixelCrossEntropyLoss'},  # noqa: B006
                 dataset_weights: Mapping[str, float] | None = None,
                 dataset_reduction: str = 'mean',
                 sampler: dict | None = None,
                 sync_normalizer: bool = False,
                 ignore_index: int = 255,
                 contrast: dict | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.head = build_pixel_embedder(head)
        self.label_space = label_space
        self.context = context
        self.ignore_index = ignore_index
        self.align_corners = self.head.align_corners
        self.num_classes = label_space.num_nodes
        self.classifier = MODELS.build(
            classifier, default_args={'num_nodes': label_space.num_nodes,
                                      'channels': self.head.channels})
        if isinstance(self.classifier, GNNLabelMapper):
            self.classifier.bind(label_space)
        losses = loss_decode if isinstance(loss_decode, (list, tuple)) else [loss_decode]
        self.loss_decode = nn.ModuleList(MODELS.build(loss) for loss in losses)
        self.sampler = None if sampler is None else build_pixel_sampler(sampler, context=self)
        own = [loss for loss in self.loss_decode if isinstance(loss, PixelLoss)]
        if own and sampler is not None and type(self.sampler) is not OHEMPixelSampler:
            raise TypeError(f'{type(own[0]).__name__} works with OHEMPixelSampler, the sampler is '
                            f'a {type(self.sampler).__name__}; use losses of MMSegmentation')
        for loss in own:
            loss.bind(label_space)
            if self.mapper is not None and (loss.uses_every_row() or any(
                    loss.rows(dataset) is not None for dataset in label_space.datasets)):
                raise ValueError(f'{type(loss).__name__} is a loss over the nodes, which '
                                 'GNNLabelMapper learns; use PixelCrossEntropyLoss in the '
                                 "datasets' own classes")

        self.sync_normalizer = sync_normalizer
        wrong = [loss.loss_name for loss in self.loss_decode
                 if not getattr(loss, 'avg_non_ignore', False)]
        if dataset_reduction == 'pixels' and wrong:
            raise ValueError("dataset_reduction='pixels' needs losses that are means over the "
                             f'labelled pixels: {", ".join(wrong)}; set avg_non_ignore=True and no '
                             "class_weight, or dataset_reduction='mean'")
        if sync_normalizer and (wrong or sampler is not None):
            raise ValueError('sync_normalizer=True needs losses that are means over the labelled '
                             f'pixels: {", ".join(wrong) or "a pixel sampler weighs them"}; set '
                             'avg_non_ignore=True and no class_weight, or sync_normalizer=False')
        self.dataset_weights = dict(dataset_weights or {})
        unknown = sorted(set(self.dataset_weights) - set(context.sources))
        if unknown:
            raise ValueError(f'dataset_weights names {unknown[0]!r}, which is not in the mix; '
                             f'known: {", ".join(context.sources)}')
        if dataset_reduction not in ('mean', 'pixels', 'sum'):
            raise ValueError(f"dataset_reduction={dataset_reduction!r}: allowed are 'mean', "
                             "'pixels', 'sum'")
        self.dataset_reduction = dataset_reduction

        self.contrast = None if contrast is None else PrototypeContrast(
            label_space, self.head.channels, ignore_index=ignore_index, **contrast)
        # A module's name must not be one of the container's own attributes, such as 'train'.
        self.readouts = nn.ModuleDict({f'to_{name}': ReadOut(label_space, name)
                                       for name in (*label_space.datasets, UNIFIED)})
        # Not among the modules: copies of a model have none, and need not be like it.
        self._matched: dict[str, MatchedReadOut] = {}

    @property
    def mapper(self) -> GNNLabelMapper | None:
        """The classifier where it learns the label space."""
        return self.classifier if isinstance(self.classifier, GNNLabelMapper) else None

    def num_outputs(self, target: str | None) -> int:
        """Return the number of channels that :meth:`predict` gives for a target."""
        readout = self.readout(target)
        if self.mapper is not None and isinstance(readout, ReadOut):
            return self.mapper.num_outputs(readout.target)
        return readout.num_outputs

    def add_readout(self, target: str, class_of_node: np.ndarray, num_classes: int,
                    reduce: str = 'mean') -> None:
        """Make :meth:`predict` know an unseen dataset; see :class:`MatchedReadOut`."""
        self._matched[target] = MatchedReadOut(class_of_node, num_classes, reduce)

    def remove_readout(self, target: str) -> None:
        """Take back :meth:`add_readout`."""
        del self._matched[target]

    def readout(self, target: str | None) -> ReadOut | MatchedReadOut:
        """Return how a target is read out of the nodes; ``None`` is all nodes."""
        target = target or UNIFIED
        if target in self._matched:
            return self._matched[target]
        if f'to_{target}' not in self.readouts:
            known = (*self.label_space.datasets, UNIFIED, *self._matched)
            raise ValueError(f'unknown label space {target!r}; known: {", ".join(known)}')
        return self.readouts[f'to_{target}']

    def dataset_rows(self, datasets: Sequence[str]) -> dict[str, Tensor]:
        """Return which rows of the classifier the datasets' losses use: name -> bool [N]."""
        if self.mapper is not None and self.mapper.current_phase != MapperPhase.HEADS:
            return {}  # every dataset uses all nodes
        used = torch.zeros(self.label_space.num_nodes, dtype=torch.bool)
        own = [loss for loss in self.loss_decode if isinstance(loss, PixelLoss)]
        used |= any(loss.uses_every_row() for loss in own)
        for dataset in map(self.context.labels_of, datasets):
            if dataset in self.label_space.datasets:
                used |= torch.from_numpy(self.label_space.class_of_node(dataset) >= 0)
                for loss in own:
                    rows = loss.rows(dataset)
                    if rows is not None:
                        used[rows.cpu()] = True
        return {f'classifier.{name}': used for name, parameter in self.classifier.named_parameters()
                if len(parameter) == len(used)}

    def classify(self, embedding: Tensor, target: str | None) -> Tensor:
        """Read a target's logits, [B, K, H, W], out of pixel embeddings, [B, D, H, W]."""
        readout = self.readout(target)
        if self.mapper is not None and isinstance(readout, ReadOut):
            return self.mapper.classify(embedding, readout.target)
        return readout(self.classifier(embedding, readout.rows))

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return the logits of the context's target, by default of all nodes, at low resolution."""
        return self.classify(self.head(inputs), self.context.target)

    def loss(self, inputs: Sequence[Tensor], batch_data_samples: list, train_cfg: dict) -> dict:
        """Compute the losses of each dataset in the batch.

        Args:
            inputs: Feature maps.
            batch_data_samples: Data samples whose ``gt_sem_seg`` holds the dataset's own ids. Those
                with ``gt_soft_ids`` and ``gt_soft_scores`` [K, H, W] have soft labels beside.
            train_cfg: Unused.

        Returns:
            ``{'<dataset>.<loss_name>': scalar, '<dataset>.acc_seg': scalar}`` in the order of the
            label space's datasets.
        """
        embedding = self.head(inputs)  # [B, D, h, w]
        labels = torch.stack([sample.gt_sem_seg.data for sample in batch_data_samples])
        further = {} if self.contrast is None else self._contrast(embedding, labels[:, 0])
        soft = self._soft_labels(batch_data_samples, labels[:, 0])
        if self.mapper is None:
            return {**self._losses_of_all(embedding, labels, 1.0, soft), **further}
        with self.mapper.at_hand():
            return {**self._losses_of_all(embedding, labels, self.mapper.dataset_loss_weight, soft),
                    **self.mapper.losses(), **further}

    def _contrast(self, embedding: Tensor, labels: Tensor) -> dict:
        """The auxiliary loss: embedding [B, D, h, w], labels [B, H, W]."""
        mixed, labels_of = self.context.mixed, self.context.labels_of
        if mixed is not None:
            mixed = mixed._replace(partner_names=tuple(map(labels_of, mixed.partner_names)))
        return self.contrast(embedding, labels, tuple(map(labels_of, self.context.names)), mixed)

    def _soft_labels(self, samples: list, labels: Tensor) -> SoftLabels | None:
        """Soft labels of the batch where any sample has some; labels [B, H, W]."""
        if not any('gt_soft_ids' in sample for sample in samples):
            return None
        others = [loss for loss in self.loss_decode if not isinstance(loss, PixelLoss)]
        if others:
            raise ValueError(f'{type(others[0]).__name__} takes no soft labels; use '
                             'PixelCrossEntropyLoss or a BCE loss of this package, or hard labels '
                             '(soft=False of PseudoLabelDataset)')
        own = [(s.gt_soft_ids.data, s.gt_soft_scores.data) if 'gt_soft_ids' in s else (None, None)
               for s in samples]
        return soften(labels, *zip(*own), self.ignore_index)

    def _losses_of_all(self, embedding: Tensor, labels: Tensor, factor: float,
                       soft: SoftLabels | None = None) -> dict:
        """Losses with the labels of the images and, where they are mixed, of their partners."""
        mixed = self.context.mixed
        if mixed is None:
            return self._losses(embedding, labels, factor, soft=soft)
        # A loss that divides by all pixels has a part's share in it where only a part is labelled.
        over_all = None if mixed.blended else factor
        losses = self._losses(embedding, labels, factor * mixed.share, over_all)
        with self.context.batch(mixed.partner_names):
            others = self._losses(embedding, mixed.partner_labels[:, None],
                                  factor * (1 - mixed.share), over_all)
        for key, value in others.items():
            # Accuracy is that on the images' own labels: a mean of both would be of nothing.
            if not key.endswith('acc_seg'):
                losses[key] = losses[key] + value if key in losses else value
        return losses

    def _losses(self, embedding: Tensor, labels: Tensor, factor: float,
                over_all: float | None = None, soft: SoftLabels | None = None) -> dict:
        """Losses of each dataset: embedding [B, D, h, w], labels [B, 1, H, W].

        ``over_all`` is the factor of losses that divide by all pixels, labelled or not.
        """
        losses = {}
        shares = self._shares_of_labels(labels)
        for group in self.context.groups:
            share = group.size / len(labels) if self.dataset_reduction == 'mean' else 1.0
            own = self.dataset_weights.get(group.dataset, 1.0) * share
            weight = own * factor
            if shares is not None:
                weight = weight * shares[self.context.sources.index(group.dataset)]
            group_losses = self._group_loss(embedding[group.samples], labels[group.samples], group,
                                            weight, weight if over_all is None else own * over_all,
                                            None if soft is None else SoftLabels(
                                                *(part[group.samples] for part in soft)))
            losses.update({f'{group.dataset}.{key}': loss for key, loss in group_losses.items()})
        return losses

    def _shares_of_labels(self, labels: Tensor) -> Tensor | None:
        """What makes means over a dataset's labelled pixels ones over more: [S].

        Over all processes': a distributed model averages gradients over its W processes, so
        n_own * W / n_all. Over all datasets': n_own / n_all; or both.
        """
        together = self.dataset_reduction == 'pixels'
        synced = self.sync_normalizer and get_world_size() > 1
        if not synced and not together:
            return None
        own = labels.new_zeros(len(self.context.sources), dtype=torch.float32)
        for group in self.context.groups:
            row = self.context.sources.index(group.dataset)
            own[row] = (labels[group.samples] != self.ignore_index).sum()
        total = own.clone()
        if synced:
            all_reduce(total)
        if together:
            total = total.sum()
        return own * (get_world_size() if synced else 1) / total.clamp(min=1)

    def _group_loss(self, embedding: Tensor, labels: Tensor, group: DatasetGroup,
                    weight: float | Tensor, over_all: float | Tensor,
                    soft: SoftLabels | None) -> dict:
        """Losses of one dataset's samples: embedding [B', D, h, w], labels [B', 1, H, W]."""
        dataset = self.context.labels_of(group.dataset)
        labels = labels.squeeze(1)
        logits = enlarged = None  # [B', K, h, w], and at the size of the labels [B', K, H, W]
        losses: dict[str, Tensor] = {}
        for loss_module in self.loss_decode:
            if isinstance(loss_module, PixelLoss):
                rows = loss_module.rows(dataset)
                if rows is None:
                    logits = self.classify(embedding, dataset) if logits is None else logits
                needed = logits if rows is None else self.classifier(embedding, rows)
                loss = self._pixel_loss(loss_module, needed, labels, dataset, soft)
            else:
                logits = self.classify(embedding, dataset) if logits is None else logits
                if enlarged is None:
                    enlarged = resize(logits, size=labels.shape[1:], mode='bilinear',
                                      align_corners=self.align_corners)
                loss = self._stock_loss(loss_module, enlarged, labels)
            own = over_all if getattr(loss_module, 'avg_non_ignore', True) is False else weight
            loss = loss if isinstance(own, float) and own == 1.0 else loss * own
            name = loss_module.loss_name
            losses[name] = losses[name] + loss if name in losses else loss
        if logits is None:
            with torch.no_grad():
                logits = self.classify(embedding, dataset)
        losses['acc_seg'] = pixel_accuracy(logits if enlarged is None else enlarged, labels,
                                           self.ignore_index)
        return losses

    def _pixel_loss(self, loss: PixelLoss, logits: Tensor, labels: Tensor, dataset: str,
                    soft: SoftLabels | None) -> Tensor:
        options = {'ignore_index': self.ignore_index, 'align_corners': self.align_corners}
        if self.sampler is not None:
            found = loss.compute(logits, labels, dataset, reduction='none', **options)
            options['pixel_weight'] = hard_pixels(found, labels != self.ignore_index,
                                                  self.sampler.min_kept, self.sampler.thresh)
        return loss(logits, labels if soft is None else soft, dataset, **options)

    def _stock_loss(self, loss: nn.Module, logits: Tensor, labels: Tensor) -> Tensor:
        weight = None
        if self.sampler is not None:
            weight = self.sampler.sample(logits, labels.unsqueeze(1))
        return loss(logits, labels, weight=weight, ignore_index=self.ignore_index)

    def predict(self, inputs: Sequence[Tensor], batch_img_metas: list[dict],
                test_cfg: dict) -> Tensor:
        """Return the logits of the context's target, [B, K, H, W], at the size of the input."""
        return self.head.predict_by_feat(self.forward(inputs), batch_img_metas)

    @property
    def activation(self) -> str:
        """What makes scores of logits: ``'sigmoid'`` where a loss of this head says so."""
        sigmoid = any(getattr(loss, 'activation', 'softmax') == 'sigmoid'
                      for loss in self.loss_decode)
        return 'sigmoid' if sigmoid else 'softmax'

    def scores(self, logits: Tensor, dim: int = 0) -> Tensor:
        """Turn logits into scores that may be averaged (test-time augmentation).

        Softmax, or a sigmoid per class; see :attr:`activation`.
        """
        return logits.sigmoid() if self.activation == 'sigmoid' else logits.softmax(dim=dim)
