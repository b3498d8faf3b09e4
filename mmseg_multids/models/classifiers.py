"""Classifiers over the nodes of a unified label space."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
        prior: Probability that a sigmoid gives every node at first; useful with a binary cross
            entropy and many nodes, whose first steps otherwise only learn that most are absent
            (Lin et al., "Focal Loss for Dense Object Detection", 2017, section 4.1). Default: 0.5,
            biases of 0.
        init_cfg: MMEngine's initialisation. Default: normal with a standard deviation of 0.01,
            as MMSegmentation's ``conv_seg``.

    Shapes:
        - weight: [N, D, 1, 1], bias: [N]
        - input: [B, D, H, W]; output: [B, R, H, W] for R rows

    Raises:
        ValueError: ``prior`` is not between 0 and 1.

    Example:
        >>> decode_head = dict(type='UniSegHead', head=dict(type='PSPHead', ...),
        ...                    classifier=dict(type='LinearNodeClassifier'))
    """

    def __init__(self, num_nodes: int, channels: int, prior: float = 0.5,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if not 0 < prior < 1:
            raise ValueError(f'prior={prior}: a probability between 0 and 1 is needed')
        self.prior = prior
        self.weight = nn.Parameter(torch.empty(num_nodes, channels, 1, 1))
        self.bias = nn.Parameter(torch.empty(num_nodes))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as MMSegmentation does for ``conv_seg``."""
        nn.init.normal_(self.weight, std=0.01)
        nn.init.constant_(self.bias, math.log(self.prior / (1 - self.prior)))

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
        return F.conv2d(_normalised(embedding), _normalised(self.weight[rows]))

    def forward(self, embedding: Tensor,
                rows: Union[slice, Tensor] = slice(None)) -> Tensor:  # noqa: B008, UP007
        """Return the logits of the nodes in ``rows``."""
        # The smaller of both factors is scaled.
        return F.conv2d(_normalised(embedding), self.scale * _normalised(self.weight[rows]))


def _normalised(vectors: Tensor) -> Tensor:
    # The usual smallest length, 1e-12, is 0 in half precision.
    return F.normalize(vectors, dim=1, eps=1e-6)


@MODELS.register_module()
class StagedNodeClassifier(BaseModule):
    """Another classifier for each stage of a run, the first one in use.

    UniSeg's relations need a cosine classifier; the model that is trained with them may have a
    linear one. :meth:`advance` goes on to the next; which one is in use is part of the checkpoint.

    Args:
        stages: Configs of the classifiers.
        num_nodes: Number of nodes N; given by the head.
        channels: Channels D of the pixel embedding; given by the head.
        init_cfg: MMEngine's initialisation.

    Shapes:
        - input: [B, D, H, W]; output: [B, R, H, W] for R rows

    Raises:
        ValueError: Fewer than two stages; going on from the last one.

    Example:
        >>> classifier = dict(_delete_=True, type='StagedNodeClassifier', stages=[
        ...     dict(type='CosineNodeClassifier'), dict(type='LinearNodeClassifier')])
        >>> custom_hooks = [dict(type='ClassRelationsHook', begin=20000)]
    """

    def __init__(self, stages: Sequence[dict], num_nodes: int, channels: int,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if len(stages) < 2:
            raise ValueError(f'stages has {len(stages)} classifier(s); two or more are needed')
        given = {'num_nodes': num_nodes, 'channels': channels}
        self.stages = nn.ModuleList(MODELS.build(stage, default_args=given) for stage in stages)
        self.register_buffer('stage', torch.zeros((), dtype=torch.int64))

    @property
    def current(self) -> nn.Module:
        """The classifier in use."""
        # Read each time: averaged copies get the value in ways that leave no trace.
        return self.stages[int(self.stage)]

    def advance(self) -> None:
        """Go on to the next stage's classifier."""
        if int(self.stage) + 1 >= len(self.stages):
            raise ValueError(f'stage {int(self.stage) + 1} of {len(self.stages)} is the last one')
        self.stage += 1

    def forward(self, embedding: Tensor,
                rows: Union[slice, Tensor] = slice(None)) -> Tensor:  # noqa: B008, UP007
        """Return the logits of the nodes in ``rows``."""
        current = self.current
        logits = current(embedding, rows)
        if self.training:
            # Distributed training needs every parameter in the graph.
            unused = [p.sum() for s in self.stages if s is not current for p in s.parameters()]
            logits = logits + 0 * torch.stack(unused).sum()
        return logits


def classifier_in_use(classifier: nn.Module) -> nn.Module:
    """Return a classifier itself, or the current one of several stages."""
    return classifier.current if isinstance(classifier, StagedNodeClassifier) else classifier
