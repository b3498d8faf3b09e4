"""Wide residual networks for segmentation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from ...registry import MODELS

#: Blocks of each group, and the channels of the convolutions of a block (Wu et al., Table 1).
_GROUPS = ((3, (128, 128)), (3, (256, 256)), (6, (512, 512)), (3, (512, 1024)),
           (1, (512, 1024, 2048)), (1, (1024, 2048, 4096)))
#: Stride of the convolutions, and dilation, of each group by the stride of the last output. Before
#: the first and the second group features are pooled.
_STRIDES = {8: ((1, 1, 2, 1, 1, 1), (1, 1, 1, 2, 4, 4)),
            16: ((1, 1, 2, 2, 1, 1), (1, 1, 1, 1, 2, 2)),
            32: ((1, 1, 2, 2, 2, 1), (1, 1, 1, 1, 1, 1))}


class _Block(BaseModule):
    """A residual block whose norms and ReLUs stand before the convolutions.

    Args:
        in_channels: Channels of the input.
        channels: Channels of each convolution: two of 3x3, or 1x1, 3x3 and 1x1.
        stride: Of the first convolution.
        dilation: Of the 3x3 convolutions.
        dropout: Probability of dropping activations before the last convolution.
        norm_cfg: Config of the norms.
        with_cp: Compute the block again in the backward pass instead of keeping what is inside.
    """

    def __init__(self, in_channels: int, channels: Sequence[int], stride: int, dilation: int,
                 dropout: float, norm_cfg: dict, with_cp: bool) -> None:
        super().__init__()
        kernels = (3, 3) if len(channels) == 2 else (1, 3, 1)
        sides = (in_channels, *channels)
        self.norms = nn.ModuleList(build_norm_layer(norm_cfg, side)[1] for side in sides[:-1])
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, kernel, stride if i == 0 else 1,
                      padding=dilation * (kernel // 2), dilation=dilation if kernel > 1 else 1,
                      bias=False)
            for i, (before, after, kernel) in enumerate(zip(sides, sides[1:], kernels)))
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout2d(dropout) if dropout else None
        self.shortcut = None
        if stride != 1 or in_channels != channels[-1]:
            self.shortcut = nn.Conv2d(in_channels, channels[-1], 1, stride, bias=False)
        self.with_cp = with_cp

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, C', h, w] for [B, C, H, W]."""
        if self.with_cp and self.training and torch.is_grad_enabled():
            return checkpoint(self._run, x, use_reentrant=False)
        return self._run(x)

    def _run(self, x: Tensor) -> Tensor:
        out = self.relu(self.norms[0](x))
        # A projection sees what the convolutions see (He et al., "Identity mappings in deep
        # residual networks", 2016).
        identity = x if self.shortcut is None else self.shortcut(out)
        out = self.convs[0](out)
        last = len(self.convs) - 1
        for i in range(1, last + 1):
            out = self.relu(self.norms[i](out))
            if i == last and self.dropout is not None:
                out = self.dropout(out)
            out = self.convs[i](out)
        return out + identity


@MODELS.register_module()
class WideResNet38(BaseModule):
    """ResNet-38, model A2 of Wu et al., "Wider or deeper", arXiv 1611.10080, Table 1.

    A 3x3 convolution and six groups of residual blocks with norms before the convolutions. As in
    segmentation networks on it, 3x3 max pooling halves the features before the first and the
    second group, and later groups have dilated convolutions instead of strides. At
    ``output_stride=8`` the outputs of the groups are:

    ======  ========  ========  ========
    index   blocks    channels  stride
    ======  ========  ========  ========
    0       3         128       2
    1       3         256       4
    2       6         512       8
    3       3         1024      8
    4       1         2048      8
    5       1         4096      8
    ======  ========  ========  ========

    The last one ends with a norm and a ReLU; the others are sums of residuals as they are.

    Args:
        in_channels: Channels of the images.
        output_stride: Stride of the last output: 8, 16 or 32.
        out_indices: Groups whose outputs are returned, ascending.
        dropout: Probabilities of dropping channels in the last two groups, before the last
            convolution of a block.
        norm_cfg: Config of the norms.
        with_cp: Compute blocks again in the backward pass: less memory, more time.
        frozen_stages: Groups that are not trained: 0 is the stem, i the stem and the first i
            groups; -1 freezes nothing.
        norm_eval: Batch norms keep and use their running statistics.
        width: Factor of all channels but the images'.
        init_cfg: MMEngine's initialisation. Default: Kaiming's for convolutions.

    Raises:
        ValueError: An unknown stride or group, or a factor that is not above 0.

    Shapes:
        - input: [B, 3, H, W]
        - output: a tuple of [B, C, H / stride, W / stride]

    Example:
        >>> backbone = dict(type='WideResNet38', out_indices=(0, 5), norm_cfg=dict(type='BN'))
    """

    def __init__(self, in_channels: int = 3, output_stride: int = 8,
                 out_indices: Sequence[int] = (0, 1, 2, 3, 4, 5),
                 dropout: Sequence[float] = (0.3, 0.5),
                 norm_cfg: dict = {'type': 'BN', 'requires_grad': True},  # noqa: B006 (unchanged)
                 with_cp: bool = False, frozen_stages: int = -1, norm_eval: bool = False,
                 width: float = 1.0, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg or [
            {'type': 'Kaiming', 'layer': 'Conv2d'},
            {'type': 'Constant', 'val': 1, 'layer': ['_BatchNorm', 'GroupNorm']}])
        count = len(_GROUPS)
        if output_stride not in _STRIDES:
            raise ValueError(f'WideResNet38: output_stride={output_stride}: allowed are '
                             f'{", ".join(map(str, _STRIDES))}')
        if not out_indices or list(out_indices) != sorted(set(out_indices) & set(range(count))):
            raise ValueError(f'WideResNet38: out_indices={tuple(out_indices)}: groups from 0 to '
                             f'{count - 1} are needed, ascending')
        if not -1 <= frozen_stages <= count:
            raise ValueError(f'WideResNet38: frozen_stages={frozen_stages}: allowed are -1 to '
                             f'{count}')
        if len(dropout) != 2 or not all(0 <= p < 1 for p in dropout):
            raise ValueError(f'WideResNet38: dropout={dropout}: two probabilities below 1 are '
                             'needed')
        if not width > 0:
            raise ValueError(f'WideResNet38: width={width}: a number above 0 is needed')
        self.out_indices = tuple(out_indices)
        self.frozen_stages, self.norm_eval = frozen_stages, norm_eval

        def scaled(channels: int) -> int:
            return max(1, round(channels * width))

        side = scaled(64)
        self.stem = nn.Conv2d(in_channels, side, 3, padding=1, bias=False)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.groups = nn.ModuleList()
        drops = (0.0,) * (count - 2) + tuple(dropout)
        for (blocks, channels), stride, dilation, drop in zip(
                _GROUPS[:self.out_indices[-1] + 1], *_STRIDES[output_stride], drops):
            channels = [scaled(c) for c in channels]
            group = []
            for i in range(blocks):
                group.append(_Block(side, channels, stride if i == 0 else 1, dilation, drop,
                                    norm_cfg, with_cp))
                side = channels[-1]
            self.groups.append(nn.Sequential(*group))
        self.norm = build_norm_layer(norm_cfg, side)[1]
        self.relu = nn.ReLU(inplace=True)
        self._freeze()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of the groups that ``out_indices`` names."""
        x = self.stem(x)
        outputs = []
        for i, group in enumerate(self.groups):
            x = group(self.pool(x) if i < 2 else x)
            if i == self.out_indices[-1]:
                x = self.relu(self.norm(x))
            if i in self.out_indices:
                outputs.append(x)
        return tuple(outputs)

    def train(self, mode: bool = True) -> WideResNet38:
        """Set the mode; frozen groups, and with ``norm_eval`` all norms, stay in eval mode."""
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _freeze(self) -> None:
        if self.frozen_stages < 0:
            return
        frozen = [self.stem, *self.groups[:self.frozen_stages]]
        if self.frozen_stages >= len(self.groups):
            frozen.append(self.norm)
        for module in frozen:
            module.eval()
            for parameter in module.parameters():
                parameter.requires_grad = False
