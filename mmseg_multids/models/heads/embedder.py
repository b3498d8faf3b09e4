"""Turning an MMSegmentation decode head into a pixel embedder."""

from __future__ import annotations

from mmengine.model import BaseModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import nn

from ...registry import MODELS

#: A head embeds pixels only if nothing around its ``forward`` differs from the base class: each of
#: these would otherwise do something that a classifier put behind the head does not know about.
_MUST_BE_STOCK = ('cls_seg', 'loss', 'predict', 'loss_by_feat', 'predict_by_feat',
                  '_stack_batch_gt')

#: Keys that belong to the wrapper, with the reason why the wrapped head must not have them.
_NOT_OF_THE_EMBEDDER = {
    'num_classes': 'the number of classes follows from the datasets; remove it',
    'out_channels': 'the number of outputs follows from the datasets; remove it',
    'threshold': 'binary segmentation with one output channel is not supported; remove it',
    'loss_decode': 'the losses belong to UniSegHead; move it one level up',
    'sampler': 'the pixel sampler belongs to UniSegHead; move it one level up',
    'ignore_index': 'the ignore index belongs to UniSegHead; move it one level up',
}


def build_pixel_embedder(cfg: dict) -> BaseDecodeHead:
    """Build a decode head whose ``forward`` returns pixel embeddings instead of logits.

    Its 1x1 convolution ``conv_seg`` becomes an identity of the same name, so that everything before
    it, the dropout included, stays as its authors wrote it.

    Args:
        cfg: Config of a ``BaseDecodeHead``, without number of classes and losses.

    Returns:
        The head; ``forward(features)`` gives [B, D, H, W] with D = ``head.channels``.

    Raises:
        ValueError: A key belongs to the wrapper.
        TypeError: The head is no pixel-wise classifier (mask classifiers, cascades, heads with
            several outputs or a loss of their own).
    """
    for key, reason in _NOT_OF_THE_EMBEDDER.items():
        if key in cfg:
            raise ValueError(f'{cfg.get("type")} inside UniSegHead has {key}={cfg[key]!r}: '
                             f'{reason}')
    cls = MODELS.get(cfg['type']) if isinstance(cfg['type'], str) else cfg['type']
    if cls is None:
        raise ValueError(f'unknown decode head {cfg["type"]!r}: it is not registered in '
                         "MMSegmentation's MODELS")
    _refuse_unless_pixelwise(cls)
    # A placeholder: conv_seg is replaced below. 3 because 1 and 2 mean binary segmentation.
    head = MODELS.build({**cfg, 'num_classes': 3})
    conv = getattr(head, 'conv_seg', None)
    if not isinstance(conv, nn.Conv2d) or conv.kernel_size != (1, 1) \
            or conv.in_channels != head.channels:
        raise TypeError(f'{cls.__name__} cannot be wrapped by UniSegHead: it has no 1x1 '
                        f'convolution `conv_seg` from {head.channels} channels to classify each '
                        'pixel with')
    head.conv_seg = nn.Identity()
    if isinstance(head.init_cfg, dict) and isinstance(head.init_cfg.get('override'), dict) \
            and head.init_cfg['override'].get('name') == 'conv_seg':
        remaining = {k: v for k, v in head.init_cfg.items() if k != 'override'}
        # Without layers and override the stock `Normal` would have nothing left to initialise.
        head.init_cfg = remaining if 'layer' in remaining or remaining['type'] != 'Normal' else None
    head.loss_decode = nn.Identity()  # never called; holds nothing that a checkpoint would store
    return head


def _refuse_unless_pixelwise(cls: type[BaseModule]) -> None:
    if not issubclass(cls, BaseDecodeHead):
        raise TypeError(f'{cls.__name__} cannot be wrapped by UniSegHead: it is no BaseDecodeHead '
                        '(mask classifiers predict segments, not pixels)')
    own = [name for name in _MUST_BE_STOCK
           if getattr(cls, name) is not getattr(BaseDecodeHead, name)]
    if own:
        raise TypeError(f'{cls.__name__} cannot be wrapped by UniSegHead: it has its own '
                        f'{", ".join(own)}, which a classifier over nodes would bypass. Heads that '
                        'classify pixels one by one work (FCNHead, PSPHead, ASPPHead, '
                        'DepthwiseSeparableASPPHead, UPerHead, SegformerHead, ...)')
