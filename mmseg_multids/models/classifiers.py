"""Classifiers over the nodes of a unified label space."""

from __future__ import annotations

from typing import Union

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..registry import MODELS


@MODELS.register_module()
class LinearNodeClassifier(BaseModule):
    """A 1x1 convolution with one row per node, of which only the needed rows are computed.

    Args:
        num_nodes: Number of nodes N; given by the head.
        channels: Channels D of the pixel embedding; given by the head.
        init_cfg: MMEngine's initialisation. Default: normal with a standard deviation of 0.01,
            as MMSegmentation's ``conv_seg``.

    Shapes:
        - weight: [N, D, 1, 1], bias: [N]
        - input: [B, D, H, W]; output: [B, R, H, W] for R rows

    Example:
        >>> decode_head = dict(type='UniSegHead', head=dict(type='PSPHead', ...),
        ...                    classifier=dict(type='LinearNodeClassifier'))
    """

    def __init__(self, num_nodes: int, channels: int, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.weight = nn.Parameter(torch.empty(num_nodes, channels, 1, 1))
        self.bias = nn.Parameter(torch.empty(num_nodes))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as MMSegmentation does for ``conv_seg``."""
        nn.init.normal_(self.weight, std=0.01)
        nn.init.zeros_(self.bias)

    def init_weights(self) -> None:
        """Initialise anew, so that weights follow the runner's seed."""
        if not self.is_init:
            self.reset_parameters()
        super().init_weights()

    def forward(self, embedding: Tensor,
                rows: Union[slice, Tensor] = slice(None)) -> Tensor:  # noqa: B008, UP007
        """Return the logits of the nodes in ``rows``."""
        return F.conv2d(embedding, self.weight[rows], self.bias[rows])


@MODELS.register_module()
class CosineNodeClassifier(BaseModule):
    """Scaled cosine between pixel embeddings and a direction per node (UniSeg, Eq. a-17).

    Args:
        num_nodes: Number of nodes N; given by the head.
        channels: Channels D of the pixel embedding; given by the head.
        scale: The factor t.
        init_cfg: MMEngine's initialisation. Default: normal with a standard deviation of 0.01.

    Shapes:
        - weight: [N, D, 1, 1]
        - input: [B, D, H, W]; output: [B, R, H, W] for R rows, within [-t, t]

    Raises:
        ValueError: ``scale`` is not above 0.

    Example:
        >>> decode_head = dict(classifier=dict(_delete_=True, type='CosineNodeClassifier'))
    """

    def __init__(self, num_nodes: int, channels: int, scale: float = 20.0,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if not scale > 0:
            raise ValueError(f'scale={scale}: a number above 0 is needed')
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(num_nodes, channels, 1, 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise directions; their lengths do not matter."""
        nn.init.normal_(self.weight, std=0.01)

    def init_weights(self) -> None:
        """Initialise anew, so that weights follow the runner's seed."""
        if not self.is_init:
            self.reset_parameters()
        super().init_weights()

    def similarity(self, embedding: Tensor,
                   rows: Union[slice, Tensor] = slice(None)) -> Tensor:  # noqa: B008, UP007
        """Return the cosines themselves, within [-1, 1]. Shape [B, R, H, W]."""
        return F.conv2d(F.normalize(embedding, dim=1), F.normalize(self.weight[rows], dim=1))

    def forward(self, embedding: Tensor,
                rows: Union[slice, Tensor] = slice(None)) -> Tensor:  # noqa: B008, UP007
        """Return the logits of the nodes in ``rows``."""
        # The smaller of both factors is scaled.
        return F.conv2d(F.normalize(embedding, dim=1),
                        self.scale * F.normalize(self.weight[rows], dim=1))
