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
