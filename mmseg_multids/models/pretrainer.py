"""Pretraining on many datasets by contrast of pixels (MDP)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

from ..datasets.metainfo import (
    borrowed_from_cfg,
    label_spaces_from_cfg,
    unlabelled_names,
    whole_entry,
)
from ..functional.contrast import (
    UNLABELLED,
    mixed_pixel_to_prototype,
    pixel_to_pixel,
    pixel_to_region,
    prototype_consistency,
    pseudo_labels,
)
from ..label_spaces import build_label_space
from ..registry import MODELS
from .context import DatasetContext, dataset_of, dataset_order
from .contrast import ClassIds, shared_targets
from .mixing import CrossDatasetMixing
from .pixel_encoder import MomentumEncoder, PixelEncoder
from .prototypes import PrototypeBank
from .regions import RegionQueue

#: What pixels are contrasted with: MDP, Eq. (3), and the baselines of its Table 3.
CONTRASTS = ('prototype', 'pixel', 'region')


class Views(NamedTuple):
    """The views of a batch; see :class:`PretrainViews`."""

    pair: Tensor  # [2B, 3, H, W]: both views of the first image, of the second, ...
    #: Dataset of each image of ``pair``.
    names: tuple[str, ...]
    #: Ids of classes of all datasets; :data:`UNLABELLED`. [2B, H, W]
    ids: Tensor
    twins: tuple[Tensor, ...]  # [B, 3, H, W] each


@MODELS.register_module()
class MultiDatasetPretrainer(BaseModel):
    """Draws pixels of many datasets to the prototypes of their classes (MDP, section 3).

    In each step: the momentum encoder follows; its embeddings of two views of each image go into
    the bank of prototypes (Eq. 2), for each class of each dataset; pixels of both views are drawn
    to the prototypes of their classes (Eq. 3), a view that is mixed across datasets to those of
    both (Eq. 6), and pixels of a view are as similar to all prototypes as their twins in other
    colours (Eqs. 7 and 8). Pixels of images without labels get those of prototypes that they are
    similar enough to (Eq. 10), and count like others from then on, but do not go into the bank.

    Weights for use are those of ``encoder.backbone``: ``tools/export.py CHECKPOINT --backbone``.
    Predictions, in validation, are those of the nearest prototype of the dataset's classes.

    Args:
        backbone: Config of the backbone.
        decode_head: Config of the pixel-wise decode head behind it, without classes and losses;
            projections stand behind what its classifier would see.
        datasets: The entries of the datasets, the same list that ``MultiDataset`` gets. Those
            without labels are the unlabelled images U.
        images: N_b, labelled images in the bank's window. Default: half of the datasets', as in
            the paper, set by :class:`PrototypeContrastHook`.
        batch_size: Labelled images in a batch of all processes together. Default: set by the hook.
        channels: Channels D of the projected embeddings.
        contrast: What pixels are contrasted with: ``'prototype'`` (Eq. 3), ``'pixel'``, those of
            the other view (Eq. 1), or ``'region'``, means of classes in other images.
        temperature: tau of the contrast.
        regions: Regions kept of each class with ``contrast='region'``.
        mixing: Probabilities that a third view is mixed, ``dict(region=0.5, pixel=0.5)``; see
            :class:`CrossDatasetMixing`. Default: there is none.
        consistency: ``dict(weight=0.2, temperature=0.07, key_temperature=0.04)``: alpha of Eq. (9),
            tau_q and tau_k. It has a projection of its own; the prototypes of Eq. (8) are those of
            Eq. (2), of which the paper has one kind. Default: none.
        threshold: T of Eq. (10).
        momentum: Of the momentum encoder; short runs need a smaller one.
        projection: Further arguments of :class:`ProjectionHead`.
        neck: Config of a neck.
        dataset_norm: Options of :class:`DSBN`: batch norms become dataset-specific.
        ignore_index: Label id of pixels without a label.
        data_preprocessor: As in MMSegmentation.
        init_cfg: MMEngine's initialisation.

    Raises:
        ValueError: A value that cannot be; mixing, consistency or unlabelled images without
            prototypes to compare with.

    Example:
        >>> model = dict(type='MultiDatasetPretrainer', datasets=datasets, backbone=...,
        ...              decode_head=dict(type='DepthwiseSeparableASPPHead', ...),
        ...              mixing=dict(region=0.5, pixel=0.5),
        ...              consistency=dict(weight=0.2))
    """

    def __init__(self, backbone: dict, decode_head: dict, datasets: Sequence[dict],
                 images: int | None = None, batch_size: int | None = None, channels: int = 256,
                 contrast: str = 'prototype', temperature: float = 0.07, regions: int = 64,
                 mixing: Mapping | None = None, consistency: Mapping | None = None,
                 threshold: float = 0.8, momentum: float = 0.999, projection: Mapping | None = None,
                 neck: dict | None = None, dataset_norm: dict | None = None,
                 ignore_index: int = 255, data_preprocessor: dict | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(data_preprocessor, init_cfg)
        if contrast not in CONTRASTS:
            raise ValueError(f'MultiDatasetPretrainer: contrast={contrast!r}: allowed are '
                             f'{", ".join(CONTRASTS)}')
        if not temperature > 0:
            raise ValueError(f'MultiDatasetPretrainer: temperature={temperature}: a number above 0 '
                             'is needed')
        borrowed = borrowed_from_cfg(datasets)
        if borrowed:
            raise ValueError(f'MultiDatasetPretrainer: dataset {next(iter(borrowed))!r} has '
                             'labels_of, which pretraining does not know; give its images with '
                             'unlabelled=True, or pseudo labels as a dataset of their own')
        self.label_space = build_label_space({'type': 'disjoint'}, label_spaces_from_cfg(datasets))
        self.unlabelled = tuple(unlabelled_names(datasets))
        self.consistency = None if consistency is None else _consistency(consistency)
        self.mixing = None if mixing is None else CrossDatasetMixing(
            ignore_index=UNLABELLED, **mixing)
        wrong = [what for what, there in (
            ('mixing', mixing is not None), ('consistency', consistency is not None),
            ('datasets without labels', bool(self.unlabelled))) if there]
        if contrast != 'prototype' and wrong:
            raise ValueError(f'MultiDatasetPretrainer: contrast={contrast!r} has no prototypes, '
                             f'which {", ".join(wrong)} cannot do without; leave that out (in '
                             'configs that inherit: model.mixing=None, model.consistency=None)')
        self.contrast, self.temperature, self.threshold = contrast, temperature, threshold
        names = [whole_entry(entry)['name'] for entry in datasets]
        heads = ['contrast'] if consistency is None else ['contrast', 'consistency']
        self.encoder = PixelEncoder(
            backbone, decode_head, {h: {'channels': channels, **(projection or {})} for h in heads},
            names, neck, dataset_norm)
        self.momentum_encoder = MomentumEncoder(self.encoder, momentum)
        self.ids = ClassIds(self.label_space, ignore_index)
        self.bank = self.regions = None
        if contrast == 'prototype':
            self.bank = PrototypeBank(self.ids.names, channels, images, batch_size)
        elif contrast == 'region':
            self.regions = RegionQueue(len(self.ids.names), channels, regions)

    @property
    def context(self) -> DatasetContext:
        """The encoder's batch at hand."""
        return self.encoder.context

    @property
    def backbone(self) -> torch.nn.Module:
        """The encoder's backbone."""
        return self.encoder.backbone

    @property
    def ignore_index(self) -> int:
        """Label id of pixels without a label."""
        return self.ids.ignore_index

    @property
    def dataset_meta(self) -> dict:
        """What is predicted, in plain Python types."""
        return {'classes': list(self.ids.names), 'datasets': {
            name: {'classes': list(space.classes), 'palette': [list(c) for c in space.palette]}
            for name, space in self.label_space.spaces.items()}}

    def init_weights(self) -> None:
        """Initialise the encoder; the momentum encoder begins as its copy."""
        super().init_weights()
        self.momentum_encoder.copy_from(self.encoder)

    def forward(self, inputs: Tensor, data_samples: list | None = None,
                mode: str = 'tensor') -> dict | list | Tensor:
        """Return losses (``'loss'``), predictions (``'predict'``) or embeddings (``'tensor'``)."""
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        names = None if data_samples is None else [dataset_of(s) for s in data_samples]
        with self.context.batch(names):
            return self.embed(inputs)

    def embed(self, inputs: Tensor) -> Tensor:
        """Return pixel embeddings before the projections, [B, 3, H, W] -> [B, C, h, w]."""
        return self.encoder.embed(inputs)

    # ---------------------------------------------------------------- training

    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
        """Compute the losses of a batch of views (Eq. 9).

        Args:
            inputs: The views of each image below each other. Shape [B, 3, V * H, W].
            data_samples: With labels [1, V * H, W], and ``num_views`` and ``dataset`` in their
                metainfo.

        Returns:
            ``loss_contrast``, the mean over both views; with the options ``loss_mixed`` and
            ``loss_consistency``; ``<dataset>.accepted``, the share of pixels of an unlabelled
            dataset that got a pseudo label.
        """
        views = self._views(inputs, data_samples)
        self.momentum_encoder.follow(self.encoder)
        keys = self.momentum_encoder(views.pair, views.names, ('contrast',))['contrast']
        if self.bank is not None:
            return self._prototype_losses(views, keys)
        found = self.encoder(views.pair, views.names, ('contrast',))['contrast']
        ids = self.ids.at_size(views.ids, found.shape[2:])
        if self.regions is not None:
            self.regions.update((keys, ids))
            return {'loss_contrast': pixel_to_region(found, ids, *self.regions.stored(),
                                                     self.temperature)}
        # Each view's pixels with those of the other one.
        other = torch.arange(len(ids), device=ids.device).view(-1, 2).flip(1).flatten()
        return {'loss_contrast': pixel_to_pixel(found, ids, keys[other], ids[other],
                                                self.temperature)}

    def _prototype_losses(self, views: Views, keys: Tensor) -> dict[str, Tensor]:
        size = keys.shape[2:]
        ids = self.ids.at_size(views.ids, size)
        if self.bank.collects:
            self.bank.update((keys, ids))
        prototypes, valid = self.bank.prototypes()
        valid &= self.bank.contrasts  # nothing is contrasted where no class is valid
        ids, logs = self._with_pseudo_labels(ids, keys, views.names, prototypes, valid)
        found = self.encoder(views.pair, views.names, self.encoder.projections)
        losses = {'loss_contrast': self._contrast_loss(found['contrast'], ids, prototypes, valid)}
        if self.mixing is not None:
            losses['loss_mixed'] = self._mixed_loss(views, ids, prototypes, valid)
        if self.consistency is not None:
            losses['loss_consistency'] = self._consistency_loss(
                views, found['consistency'], prototypes, valid)
        return {**losses, **logs}

    def _contrast_loss(self, found: Tensor, ids: Tensor, prototypes: Tensor,
                       valid: Tensor) -> Tensor:
        """Average the losses of both views (Eq. 3)."""
        targets = [(ids.clone(), 0.5) for _ in range(2)]
        for view, (own, _) in enumerate(targets):
            own[1 - view::2] = UNLABELLED
        return mixed_pixel_to_prototype(found, shared_targets(targets, valid), prototypes, valid,
                                        self.temperature)

    def _with_pseudo_labels(self, ids: Tensor, keys: Tensor, names: Sequence[str],
                            prototypes: Tensor, valid: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Label the pixels of unlabelled images where they are similar enough (Eq. 10)."""
        ids, logs = ids.clone(), {}
        for dataset in self.unlabelled:
            own = [i for i, name in enumerate(names) if name == dataset]
            if own:
                ids[own] = pseudo_labels(keys[own], prototypes, valid, self.threshold)
                logs[f'{dataset}.accepted'] = (ids[own] != UNLABELLED).float().mean()
        return ids, logs

    def _mixed_loss(self, views: Views, ids: Tensor, prototypes: Tensor, valid: Tensor) -> Tensor:
        """Contrast a view of each image that is mixed with one of another dataset (Eq. 6)."""
        images, names = views.pair[::2], views.names[::2]
        mixed = self.mixing(images, self.ids.at_size(ids[::2], images.shape[2:]), names)
        if mixed is None:
            return ids.new_zeros((), dtype=torch.float32)
        found = self.encoder(mixed.inputs, names, ('contrast',))['contrast']
        targets = [(self.ids.at_size(labels, found.shape[2:]), part) for labels, part in
                   ((mixed.labels, mixed.share), (mixed.partner_labels, 1 - mixed.share))]
        return mixed_pixel_to_prototype(found, shared_targets(targets, valid), prototypes, valid,
                                        self.temperature)

    def _consistency_loss(self, views: Views, found: Tensor, prototypes: Tensor,
                          valid: Tensor) -> Tensor:
        if not views.twins:
            raise ValueError('consistency needs views that differ by colour alone: set twins=1 or '
                             'twins=2 of PretrainViews')
        weight, temperature, key_temperature = self.consistency
        each = []
        for place, twin in enumerate(views.twins):
            keys = self.momentum_encoder(twin, views.names[::2], ('consistency',))['consistency']
            each.append(prototype_consistency(found[place::2], keys, prototypes, valid,
                                              temperature, key_temperature))
        return weight * torch.stack(each).mean()

    def _views(self, inputs: Tensor, data_samples: list) -> Views:
        counts = {sample.metainfo.get('num_views') for sample in data_samples}
        if len(counts) != 1 or None in counts or min(counts) < 2:
            raise ValueError('pretraining needs samples of PretrainViews, packed with '
                             "meta_keys=('num_views', ...); their num_views are "
                             f'{sorted(map(str, counts))}')
        count = counts.pop()
        if inputs.shape[2] % count:
            raise ValueError(f'{count} views cannot share {inputs.shape[2]} rows: the preprocessor '
                             'must not pad (size_divisor=1)')
        names = [dataset_of(sample) for sample in data_samples]
        order = dataset_order(names, self.context.datasets)
        names = [names[i] for i in order]
        labels = torch.stack([data_samples[i].gt_sem_seg.data[0] for i in order])
        images = inputs[order].unflatten(2, (count, -1)).transpose(1, 2)  # [B, V, 3, H, W]
        labels = labels.unflatten(1, (count, -1))[:, :2].flatten(0, 1)  # [2B, H, W]
        names = tuple(name for name in names for _ in range(2))
        ids = torch.full_like(labels, UNLABELLED, dtype=torch.int64)
        known = [i for i, name in enumerate(names) if name not in self.unlabelled]
        if known:
            ids[known] = self.ids.of(labels[known], [names[i] for i in known], labels.shape[1:])
        return Views(images[:, :2].flatten(0, 1), names, ids, tuple(images[:, 2:].unbind(1)))

    # -------------------------------------------------------------- prediction

    def predict(self, inputs: Tensor, data_samples: list) -> list:
        """Predict the class of the nearest prototype, of the sample's dataset.

        Args:
            inputs: Whole images. Shape [B, 3, H, W].
            data_samples: With ``dataset`` in their metainfo.

        Returns:
            The data samples with ``seg_logits`` [K, H, W], similarities from -1 to 1, and
            ``pred_sem_seg`` [1, H, W].

        Raises:
            ValueError: There are no prototypes; an image of another dataset.
        """
        if self.bank is None:
            raise ValueError(f'contrast={self.contrast!r} has no prototypes to predict with: train '
                             'without validation (val_cfg=None)')
        prototypes, valid = self.bank.prototypes()
        groups: dict[str, list[int]] = {}
        for i, sample in enumerate(data_samples):
            groups.setdefault(dataset_of(sample), []).append(i)
        for dataset, positions in groups.items():
            own = self.ids.range_of(dataset)
            images = inputs if len(positions) == len(inputs) else inputs[positions]
            found = self.encoder(images, [dataset] * len(positions), ('contrast',))['contrast']
            with torch.autocast(found.device.type, enabled=False):
                logits = torch.einsum('bdhw,kd->bkhw', found, prototypes[own])
            # A class that was not seen is predicted where nothing else can be.
            logits = logits.masked_fill(~valid[own][None, :, None, None], -1)
            for i, each in zip(positions, logits):
                _set_prediction(data_samples[i], each, inputs.shape[2:])
        return data_samples


def _set_prediction(sample: SegDataSample, logits: Tensor, size: Sequence[int]) -> None:
    """Give a sample its logits [K, h, w], at its original size; ``size`` is the padded one."""
    logits = F.interpolate(logits[None], tuple(size), mode='bilinear')
    shape = sample.metainfo.get('img_shape', size)[:2]
    logits = logits[:, :, :shape[0], :shape[1]]
    original = tuple(sample.metainfo.get('ori_shape', shape)[:2])
    if original != tuple(logits.shape[2:]):
        logits = F.interpolate(logits, original, mode='bilinear')
    sample.set_data({'seg_logits': PixelData(data=logits[0]),
                     'pred_sem_seg': PixelData(data=logits[0].argmax(0, keepdim=True))})


def _consistency(options: Mapping) -> tuple[float, float, float]:
    """Return alpha, tau_q and tau_k."""
    known = {'weight': 0.2, 'temperature': 0.07, 'key_temperature': 0.04}
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(f'MultiDatasetPretrainer: consistency has no key {unknown[0]!r}; allowed: '
                         f'{", ".join(known)}')
    found = {**known, **options}
    for name, value in found.items():
        if not (value >= 0 if name == 'weight' else value > 0):
            raise ValueError(f'MultiDatasetPretrainer: consistency.{name}={value}: a number '
                             f'{"from" if name == "weight" else "above"} 0 is needed')
    return tuple(found.values())
