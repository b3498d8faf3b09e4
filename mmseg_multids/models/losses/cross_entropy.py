"""Softmax cross entropy over all nodes of the unified label space."""

from __future__ import annotations

from mmseg.models.losses import CrossEntropyLoss

from ...registry import MODELS


@MODELS.register_module()
class UnifiedCrossEntropyLoss(CrossEntropyLoss):
    """MMSegmentation's cross entropy, taken over the N nodes instead of a dataset's K classes.

    This is the union baseline (UniSeg, Eq. 1; MDP's "single head"): a pixel's target is the node of
    its class and every other node, of whatever dataset, is pushed down. It needs exactly one node
    per class; :class:`UniSegHead` refuses other label spaces. For cross entropy in a dataset's own
    classes use MMSegmentation's ``CrossEntropyLoss`` unchanged.

    All arguments are those of ``CrossEntropyLoss``, whose softmax form alone is supported.

    Raises:
        ValueError: ``use_sigmoid`` or ``use_mask`` is set.

    Example:
        >>> decode_head = dict(type='UniSegHead', head=dict(type='PSPHead', ...),
        ...                    loss_decode=dict(type='UnifiedCrossEntropyLoss'))
    """

    #: Which logits and labels the head hands over: ``'dataset'`` (default) or ``'unified'``.
    space = 'unified'

    def __init__(self, *args, avg_non_ignore: bool = True, **kwargs) -> None:
        super().__init__(*args, avg_non_ignore=avg_non_ignore, **kwargs)
        if self.use_sigmoid or self.use_mask:
            raise ValueError('UnifiedCrossEntropyLoss is a softmax over all nodes: use_sigmoid and '
                             'use_mask are not supported')
