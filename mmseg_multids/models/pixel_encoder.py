"""A network that embeds pixels for contrast, and its averaged copy (MDP, section 4.1)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..registry import MODELS
from .context import DatasetContext
from .contrast import ProjectionHead
from .heads.embedder import build_pixel_embedder
from .layers import bind_dsbn, convert_to_dsbn


class PixelEncoder(BaseModule):
    """Backbone, a decode head that embeds pixels, and projection heads.

    It has a dataset context of its own, which copies of it copy: query and momentum encoder may
    work on different images.

    Args:
        backbone: Config of the backbone.
        head: Config of a pixel-wise decode head, without classes and losses.
        projections: Arguments of each :class:`ProjectionHead` by name.
        datasets: Names of all datasets.
        neck: Config of a neck.
        dataset_norm: Options of :class:`DSBN`: every batch norm becomes dataset-specific.
        init_cfg: MMEngine's initialisation.
    """

    def __init__(self, backbone: dict, head: dict, projections: Mapping[str, dict],
                 datasets: Sequence[str], neck: dict | None = None,
                 dataset_norm: dict | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.context = DatasetContext(datasets)
        self.backbone = MODELS.build(backbone)
        self.neck = None if neck is None else MODELS.build(neck)
        self.head = build_pixel_embedder(head)
        self.projections = nn.ModuleDict({
            name: ProjectionHead(self.head.channels, **options)
            for name, options in projections.items()})
        if dataset_norm is not None:
            convert_to_dsbn(self, self.context, **dataset_norm)
        bind_dsbn(self, self.context)

    def embed(self, inputs: Tensor) -> Tensor:
        """Return pixel embeddings before the projections, [B, 3, H, W] -> [B, C, h, w]."""
        features = self.backbone(inputs)
        embedding = self.head(features if self.neck is None else self.neck(features))
        self.context.remember(embedding)
        return embedding

    def forward(self, inputs: Tensor, names: Sequence[str],
                projections: Sequence[str]) -> dict[str, Tensor]:
        """Return projected embeddings of unit length.

        Args:
            inputs: Preprocessed images. Shape [B, 3, H, W].
            names: Dataset of each image.
            projections: Which ones.

        Returns:
            By name of the projection. Shape [B, D, h, w] each.
        """
        with self.context.batch(names):
            embedding = self.embed(inputs)
            found = {name: self.projections[name](embedding) for name in projections}
            self.context.remember(found)
        return found


class MomentumEncoder(BaseModule):
    """A slowly moving average of a :class:`PixelEncoder` (MoCo; E_k of MDP).

    Parameters are averages. Batch norms work as in training, with the statistics of the encoder's
    own batches, so their running statistics follow from its own passes. Nothing is dropped out, as
    what it says is a target.

    Args:
        encoder: What is averaged.
        momentum: Share of the average that stays in each step.

    Raises:
        ValueError: A momentum outside 0 to 1.
    """

    def __init__(self, encoder: PixelEncoder, momentum: float = 0.999) -> None:
        super().__init__()
        if not 0 <= momentum <= 1:
            raise ValueError(f'momentum={momentum}: a number from 0 to 1 is needed')
        self.momentum = momentum
        self.encoder = copy.deepcopy(encoder)
        self.encoder.requires_grad_(False)

    def train(self, mode: bool = True) -> MomentumEncoder:
        """Set the mode of all but dropout."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):
                module.eval()
        return self

    def init_weights(self) -> None:
        """Weights come from :meth:`copy_from`."""

    @torch.no_grad()
    def copy_from(self, encoder: PixelEncoder) -> None:
        """Become equal to an encoder."""
        self.encoder.load_state_dict(encoder.state_dict())

    @torch.no_grad()
    def follow(self, encoder: PixelEncoder) -> None:
        """Move towards an encoder."""
        for own, other in zip(self.encoder.parameters(), encoder.parameters()):
            own.lerp_(other.detach().to(own), 1 - self.momentum)

    @torch.no_grad()
    def forward(self, inputs: Tensor, names: Sequence[str],
                projections: Sequence[str]) -> dict[str, Tensor]:
        """As :class:`PixelEncoder`, without gradients."""
        return self.encoder(inputs, names, projections)
