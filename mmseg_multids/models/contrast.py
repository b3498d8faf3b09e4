"""Pixel-to-prototype contrast as a part of a model (MDP, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..functional.contrast import UNLABELLED, mixed_pixel_to_prototype
from ..label_spaces import UnifiedLabelSpace
from ..registry import MODELS
from .mixing import MixedBatch
from .prototypes import PrototypeBank


class ProjectionHead(BaseModule):
    """Three 1x1 convolutions to embeddings of unit length (MDP, section 4.1).

    Args:
        in_channels: Channels of the features.
        channels: Channels D of the embeddings.
        hidden: Channels in between. Default: ``in_channels``.
        layers: Number of convolutions; all but the last have a batch norm and a ReLU.
        norm_cfg: The batch norm.
        init_cfg: MMEngine's initialisation.

    Shapes:
        - input: [B, in_channels, h, w]; output: [B, D, h, w]

    Raises:
        ValueError: Fewer than one layer.
    """

    def __init__(self, in_channels: int, channels: int = 256, hidden: int | None = None,
                 layers: int = 3, norm_cfg: dict | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if layers < 1:
            raise ValueError(f'ProjectionHead: layers={layers}: at least 1 is needed')
        widths = [in_channels, *[hidden or in_channels] * (layers - 1)]
        self.layers = nn.Sequential(
            *(ConvModule(a, b, 1, norm_cfg=norm_cfg or {'type': 'BN'})
              for a, b in zip(widths, widths[1:])),
            nn.Conv2d(widths[-1], channels, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Return embeddings of unit length, in single precision."""
        # A half has too few digits for similarities that are divided by 0.07.
        return F.normalize(self.layers(features).float(), dim=1)


class ClassIds:
    """Ids of the classes of all datasets, one dataset after the other.

    Args:
        label_space: The datasets and their classes.
        ignore_index: Label id of pixels without a label.
    """

    def __init__(self, label_space: UnifiedLabelSpace, ignore_index: int = 255) -> None:
        self.names = [f'{dataset}/{name}' for dataset in label_space.datasets
                      for name in label_space.space(dataset).classes]
        self.ignore_index = ignore_index
        self._first: dict[str, int] = {}
        self._sizes = {d: label_space.space(d).num_classes for d in label_space.datasets}
        for dataset in label_space.datasets:
            self._first[dataset] = sum(self._sizes[d] for d in self._first)

    def of(self, labels: Tensor, datasets: Sequence[str], size: Sequence[int]) -> Tensor:
        """Return ids at the size of an embedding.

        Args:
            labels: In each dataset's own ids. Shape [B, H, W].
            datasets: Dataset of each image.
            size: Height and width of the embedding.

        Returns:
            :data:`UNLABELLED` where there is no label. Shape [B, h, w], int64.
        """
        small = self.at_size(labels, size)
        first = torch.tensor([self.range_of(d).start for d in datasets], device=labels.device)
        return torch.where(small == self.ignore_index, UNLABELLED, small + first[:, None, None])

    @staticmethod
    def at_size(labels: Tensor, size: Sequence[int]) -> Tensor:
        """Return a label for each pixel of another size, the nearest. [B, H, W] -> [B, h, w]."""
        if labels.shape[1:] == tuple(size):
            return labels.long()
        # One label for each embedding, not a mixture; single precision holds all ids exactly.
        small = F.interpolate(labels[:, None].float(), size=tuple(size), mode='nearest-exact')
        return small[:, 0].long()

    def range_of(self, dataset: str) -> slice:
        """Return the ids of a dataset's classes.

        Raises:
            ValueError: The dataset has no classes here.
        """
        if dataset not in self._first:
            raise ValueError(f'dataset {dataset!r} has no classes; known: '
                             f'{", ".join(self._first)}')
        return slice(self._first[dataset], self._first[dataset] + self._sizes[dataset])


@MODELS.register_module()
class PrototypeContrast(BaseModule):
    """Auxiliary pixel-to-prototype contrast of a supervised model (MDP, Eqs. 2, 3 and 6).

    A projection head behind the pixel embedding of :class:`UniSegHead`, a bank of prototypes of the
    classes of all datasets, and the loss. The bank is fed with the embeddings of the network
    itself: there is no momentum encoder. :class:`PrototypeContrastHook` says when bank and loss
    begin.

    Args:
        label_space: Given by the head.
        in_channels: Given by the head.
        images: Images in the bank's window (N_b). Default: half of the datasets' images, set by
            :class:`PrototypeContrastHook`.
        batch_size: Images in a batch of all processes together. Default: set by the hook.
        channels: Channels D of the projected embeddings.
        temperature: tau of Eq. (3).
        weight: Weight of the loss.
        projection: Further arguments of :class:`ProjectionHead`.
        ignore_index: Label id of pixels without a label.
        init_cfg: MMEngine's initialisation.

    Raises:
        ValueError: A number that cannot be.

    Example:
        >>> decode_head = dict(contrast=dict(weight=0.1))
        >>> custom_hooks = [dict(type='PrototypeContrastHook')]
    """

    def __init__(self, label_space: UnifiedLabelSpace, in_channels: int,
                 images: int | None = None, batch_size: int | None = None, channels: int = 256,
                 temperature: float = 0.07, weight: float = 1.0, projection: dict | None = None,
                 ignore_index: int = 255, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if not temperature > 0:
            raise ValueError(f'PrototypeContrast: temperature={temperature}: a number above 0 is '
                             'needed')
        if not weight >= 0:
            raise ValueError(f'PrototypeContrast: weight={weight}: a number from 0 is needed')
        self.ids = ClassIds(label_space, ignore_index)
        self.projection = ProjectionHead(in_channels, channels, **(projection or {}))
        self.bank = PrototypeBank(self.ids.names, channels, images, batch_size)
        self.temperature, self.weight = temperature, weight

    def forward(self, embedding: Tensor, labels: Tensor, datasets: Sequence[str],
                mixed: MixedBatch | None = None) -> dict[str, Tensor]:
        """Update the bank, then compute the loss.

        Args:
            embedding: Pixel embedding. Shape [B, in_channels, h, w].
            labels: In each dataset's own ids. Shape [B, H, W].
            datasets: Dataset of each image.
            mixed: What else the images show. Images of which every pixel shows two others do not
                go into the bank.

        Returns:
            ``loss_contrast``; 0 before the loss begins.
        """
        features = self.projection(embedding)
        # The projection has a gradient in every step, as distributed training expects.
        nothing = {'loss_contrast': features.sum() * 0}
        if not self.bank.collects:
            return nothing
        size = features.shape[2:]
        targets = [(self.ids.of(labels, datasets, size), 1.0)]
        if mixed is not None:
            others = self.ids.of(mixed.partner_labels, mixed.partner_names, size)
            targets = [(targets[0][0], mixed.share), (others, 1 - mixed.share)]
        if mixed is None or not mixed.blended:
            self.bank.update(*((features.detach(), ids) for ids, _ in targets))
        if not self.bank.contrasts:
            return nothing
        prototypes, valid = self.bank.prototypes()
        return {'loss_contrast': self.weight * mixed_pixel_to_prototype(
            features, shared_targets(targets, valid), prototypes, valid, self.temperature)}


def shared_targets(targets: Sequence[tuple[Tensor, float]],
                   valid: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
    """Make means over the pixels of this process means over those of all processes.

    Distributed training averages gradients over W processes, so a mean over n of all m pixels is
    weighted with n * W / m.

    Args:
        targets: Labels [B, h, w] and their share in the loss.
        valid: Classes that have a prototype. Shape [C].

    Returns:
        Labels and a share for each image, as :func:`mixed_pixel_to_prototype` takes them.
    """
    shares = torch.tensor([share for _, share in targets], device=valid.device)
    if get_world_size() > 1:
        own = torch.stack([((ids != UNLABELLED) & valid[ids.clamp(min=0)]).sum()
                           for ids, _ in targets]).float()
        total = own.clone()
        all_reduce(total)
        shares = shares * own * get_world_size() / total.clamp(min=1)
    return tuple((ids, share.expand(len(ids))) for (ids, _), share in zip(targets, shares))
