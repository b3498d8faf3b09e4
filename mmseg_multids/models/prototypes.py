"""The prototypes of all classes over a window of batches (MDP, Eq. 2)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from torch import Tensor, nn

from ..functional.contrast import image_class_means

#: What a unit of the sums stands for: means of unit vectors are kept to about a millionth, and the
#: sum over 2,000 images of a class in one batch still fits 32 bits.
_UNIT = 2.0 ** -20


class BankStatistics(NamedTuple):
    """What a log says of a bank."""

    #: Share of the classes that have a prototype.
    coverage: float
    #: Mean length of the prototypes: 1 where all embeddings of a class are equal.
    norm: float
    #: Mean cosine between different prototypes.
    similarity: float


class PrototypeBank(nn.Module):
    """A prototype for each class: the mean over images of image-level class means (MDP, Eq. 2).

    Over a window of the last B batches: each update takes the oldest batch's sums out and puts the
    newest in. Sums are whole numbers of 2^-20, so nothing drifts, however long a run is; the result
    does not depend on the order of images or on how processes share them; and all is in the
    checkpoint. Prototypes are not normalised again.

    Memory: B x C x D x 4 bytes, 14 MiB for 171 classes, 256 channels and 80 batches.

    Args:
        classes: Names of the C classes of all datasets together, such as ``'city/road'``.
        channels: Channels D of the embeddings.
        images: N_b, labelled images in the window. The paper has about half of the datasets'
            images, 10,240 for PASCAL VOC with ADE20K; that is what
            :class:`PrototypeContrastHook` sets by default.
        batch_size: Labelled images in a batch of all processes together. Default: set by the
            hook.

    Raises:
        ValueError: A number below 1; a window of less than a batch; no classes; an update before
            the window is known.

    Example:
        >>> bank = PrototypeBank(classes, channels=256, images=10240, batch_size=128)
        >>> bank.update(features, labels)  # [B, D, h, w] and [B, h, w]
        >>> prototypes, valid = bank.prototypes()
    """

    def __init__(self, classes: Sequence[str], channels: int, images: int | None = None,
                 batch_size: int | None = None) -> None:
        super().__init__()
        for name, value in (('channels', channels), ('images', images),
                            ('batch_size', batch_size)):
            if value is not None and (int(value) != value or value < 1):
                raise ValueError(f'PrototypeBank: {name}={value}: a whole number above 0 is needed')
        if isinstance(classes, str) or not classes:
            raise ValueError(f'PrototypeBank: classes={classes!r}: a list of names is needed')
        num_classes = len(classes)
        self.num_classes, self.channels = num_classes, channels
        self.classes, self.images, self.batch_size = tuple(classes), images, batch_size
        #: Whether batches are taken in, and whether losses use the prototypes; a hook may let the
        #: one and the other begin later (:class:`PrototypeContrastHook`).
        self.collects = self.contrasts = True
        self._make_window(0, torch.int32)
        if images is not None and batch_size is not None:
            self.set_window(images, batch_size)
        self.register_buffer('total', torch.zeros(num_classes, channels, dtype=torch.int64))
        self.register_buffer('total_images', torch.zeros(num_classes, dtype=torch.int64))
        self.register_buffer('updates', torch.zeros((), dtype=torch.int64))
        #: Says which classes the prototypes are of.
        digest = hashlib.sha256('\n'.join(classes).encode()).digest()
        self.register_buffer('classes_key', torch.tensor(int.from_bytes(digest[:7], 'little')))
        #: The same as ``updates``, without asking a GPU.
        self._count: int | None = None

    @property
    def num_batches(self) -> int:
        """Batches B in the window; 0 while it is not known."""
        return len(self.window)

    @property
    def count(self) -> int:
        """Batches that were ever taken in."""
        if self._count is None:
            self._count = int(self.updates)
        return self._count

    def set_window(self, images: int, batch_size: int) -> None:
        """Make an empty window.

        Raises:
            ValueError: It holds no batch.
        """
        if images < batch_size:
            raise ValueError(f'PrototypeBank: a window of images={images} holds no batch of '
                             f'{batch_size}')
        # Two views of each image, each a mean of at most 2^20: in 32 bits there is room for 2,047.
        self._make_window(images // batch_size,
                          torch.int32 if 2 * batch_size < 2 ** 11 else torch.int64)

    def _make_window(self, num_batches: int, dtype: torch.dtype) -> None:
        device = self.window.device if hasattr(self, 'window') else None
        size = (num_batches, self.num_classes)
        self.register_buffer('window', torch.zeros(*size, self.channels, dtype=dtype,
                                                   device=device))
        self.register_buffer('window_images', torch.zeros(size, dtype=torch.int32, device=device))

    @torch.no_grad()
    def update(self, *views: tuple[Tensor, Tensor]) -> None:
        """Take in a batch, and let go of the one that leaves the window.

        All processes must call it together: they share their sums.

        Args:
            *views: Embeddings of unit length [B, D, h, w] with labels [B, h, w], such as those of
                both views of the momentum encoder.

        Raises:
            ValueError: A label is out of range; shapes do not fit.
        """
        sums, images = self.pool(*views)
        self.push(sums, images)

    @torch.no_grad()
    def pool(self, *views: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the sums of image-level class means, [C, D], and their number, [C], as integers.

        Of all processes together. Arguments and errors as :meth:`update`.
        """
        device = self.total.device
        sums = torch.zeros(self.num_classes, self.channels, dtype=torch.int64, device=device)
        # The last number counts processes whose embeddings cannot be used: all of them must know.
        images = torch.zeros(self.num_classes + 1, dtype=torch.int64, device=device)
        for features, labels in views:
            if features.shape[1] != self.channels:
                raise ValueError(f'PrototypeBank: embeddings have {features.shape[1]} channels, '
                                 f'the bank {self.channels}')
            means, classes = image_class_means(features, labels)
            if len(classes) and int(classes.max()) >= self.num_classes:
                raise ValueError(f'PrototypeBank: label {int(classes.max())} is outside 0..'
                                 f'{self.num_classes - 1}')
            images[-1] += (~means.isfinite()).any()
            sums.index_add_(0, classes, (means.double() / _UNIT).round().long())
            images.index_add_(0, classes, torch.ones_like(classes))
        all_reduce(sums)
        all_reduce(images)
        if int(images[-1]):
            # In a window they would stay for long.
            raise FloatingPointError('PrototypeBank: embeddings are not finite: training has '
                                     'diverged; lower the learning rate, or look at the images of '
                                     'this batch')
        return sums, images[:-1]

    @torch.no_grad()
    def push(self, sums: Tensor, images: Tensor) -> None:
        """Put what :meth:`pool` returned into the window."""
        if not self.num_batches:
            raise ValueError('PrototypeBank: how many batches the window holds is not known: give '
                             'images and batch_size, or add PrototypeContrastHook to custom_hooks, '
                             'which takes them from the loader')
        count = self.count
        place = count % self.num_batches
        self.total -= self.window[place]
        self.total_images -= self.window_images[place]
        self.window[place] = sums
        self.window_images[place] = images
        self.total += sums
        self.total_images += images
        self.updates += 1
        self._count = count + 1

    @torch.no_grad()
    def prototypes(self) -> tuple[Tensor, Tensor]:
        """Return the prototypes and which there are.

        Returns:
            Shape [C, D], float32, zero for classes that no image of the window shows; and [C],
            bool.
        """
        valid = self.total_images > 0
        scale = _UNIT / self.total_images.clamp(min=1).double()
        return (self.total * scale[:, None]).float(), valid

    @torch.no_grad()
    def statistics(self) -> BankStatistics:
        """Return figures for a log; NaN where there are too few prototypes."""
        found, valid = self.prototypes()
        found = found[valid]
        if not len(found):
            return BankStatistics(0.0, float('nan'), float('nan'))
        cosine = F.normalize(found, dim=1)
        count = len(found)
        # The sum of all pairs' products is the squared length of the sum.
        pairs = float((cosine.sum(0).square().sum() - count) / (count * (count - 1))) \
            if count > 1 else float('nan')
        return BankStatistics(count / self.num_classes, float(found.norm(dim=1).mean()), pairs)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        stored = state_dict.get(f'{prefix}window')
        if stored is not None and not self.num_batches:
            self._make_window(len(stored), stored.dtype)  # not for training: any window will do
        for name in ('window', 'total'):
            stored = state_dict.get(prefix + name)
            own = getattr(self, name)
            if stored is not None and stored.shape != own.shape:
                raise ValueError(
                    f'PrototypeBank: the weights have a {name} of shape {list(stored.shape)}, the '
                    f'config makes {list(own.shape)} (batches, classes, channels): the datasets, '
                    'the batch size or the window are others')
        key = state_dict.get(f'{prefix}classes_key')
        if key is not None and int(key) != int(self.classes_key):
            raise ValueError(f'PrototypeBank: the weights have prototypes of {self.num_classes} '
                             'other classes, or in another order: the config has other datasets')
        super()._load_from_state_dict(state_dict, prefix, *args)
        self._count = None
