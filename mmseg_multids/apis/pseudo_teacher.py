"""The teacher of self-training: what its scores of an image are."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ..label_spaces import LabelSpace
from ..models import UNIFIED, MultiDatasetSegmentor
from ..models.layers import dsbn_layers
from .inference import IMAGE_LOADERS, LABEL_LOADERS, read_tested


class Augmentation(NamedTuple):
    """Test-time augmentation: each scale, also mirrored; tiles that overlap."""

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    #: Height and width of a tile; None: as the model's ``test_cfg`` says.
    tile: tuple[int, int] | None = None
    #: Share of a tile that it has in common with the next one.
    overlap: float = 1 / 3

    def check(self) -> None:
        """Refuse values that cannot be.

        Raises:
            ValueError: The value, and what is allowed.
        """
        if not self.scales or min(self.scales) <= 0 or len(set(self.scales)) < len(self.scales):
            raise ValueError(f'scales={list(self.scales)}: factors above 0, each once, are needed')
        if self.tile is not None and (len(self.tile) != 2 or min(self.tile) < 1):
            raise ValueError(f'tile={self.tile}: a height and a width of at least 1 are needed')
        if not 0 <= self.overlap < 1:
            raise ValueError(f'overlap={self.overlap}: a share from 0 to below 1 is needed')

    def test_cfg(self, own: dict | None) -> dict:
        """Return the model's ``test_cfg`` with these tiles, and without what changes the target."""
        cfg = {key: value for key, value in (own or {}).items()
               if key not in ('label_space', 'multi_label')}
        if self.tile is None:
            return cfg
        stride = [max(1, round(side * (1 - self.overlap))) for side in self.tile]
        return {**cfg, 'mode': 'slide', 'crop_size': list(self.tile), 'stride': stride}


class UnreadableImage(Exception):
    """An image, or its label map, cannot be read."""


class Teacher:
    """A model that scores the classes of a target in each pixel of an image.

    Zhu et al., section 4.3: "multi-scaled, left-right flipped and overlapping-tiled images", which
    the paper says of its test submission; whether its teachers label so it does not say. The scores
    are averaged as by :class:`MultiDatasetTTAModel`.

    Args:
        model: Has ``cfg.test_pipeline``, as a model of ``init_model``.
        target: A dataset whose classes are scored, or ``'unified'`` for the nodes.
        images_of: The dataset that the images are said to come from: its batch norms apply.
        augmentation: Test-time augmentation.
    """

    def __init__(self, model: MultiDatasetSegmentor, target: str, images_of: str | None,
                 augmentation: Augmentation) -> None:
        augmentation.check()
        init_default_scope(model.cfg.get('default_scope', 'mmseg'))
        self.model, self.target, self.images_of = model, target, images_of
        self.test_cfg = augmentation.test_cfg(model.test_cfg)
        self.steps = test_steps(model)
        self.loader = next((dict(step) for step in model.cfg.test_pipeline
                            if step['type'] == 'LoadImageFromFile'),
                           {'type': 'LoadImageFromFile'})
        self._load = Compose([dict(self.loader)])
        flips = (False, True) if augmentation.flip else (False,)
        self._versions = [(flip, Compose(_augmented(self.steps, scale, flip)))
                          for scale in augmentation.scales for flip in flips]

    def load(self, path: str) -> dict:
        """Return an image as it is before augmentation.

        Raises:
            UnreadableImage: It cannot be read.
        """
        try:
            _check_whole(path)
            return self._load({'img_path': path})
        except Exception as error:  # a decoder may raise anything
            raise UnreadableImage(f'{type(error).__name__}: {error}') from error

    @torch.no_grad()
    def scores(self, loaded: dict) -> Tensor:
        """Return averaged scores of an image of :meth:`load`. Shape [C, H, W]."""
        total: Tensor | float = 0
        with _tested_as(self.model, self.test_cfg), torch.backends.cudnn.flags(
                enabled=True, benchmark=False, deterministic=True):
            # One version after the other, added as `merge_preds` adds them: of many classes and
            # large images there is not the memory for the logits of all versions at once.
            for flip, pipeline in self._versions:
                data = pipeline(copy.deepcopy(loaded))
                sample = data['data_samples']
                sample.set_metainfo({'label_space': self.target, 'flip': flip,
                                     'flip_direction': 'horizontal' if flip else None})
                if self.images_of is not None:
                    sample.set_metainfo({'dataset': self.images_of})
                version, = self.model.test_step(pseudo_collate([data]))
                total = total + self.model.decode_head.scores(version.seg_logits.data)
        return total / len(self._versions)


def check_target(model: MultiDatasetSegmentor, target: str | None,
                 images_of: str | None) -> tuple[str, str | None]:
    """Return what is predicted and whose images they are.

    Args:
        model: The teacher.
        target: A dataset of the model, one that its config tests, ``'unified'``, or None: the
            model's only dataset.
        images_of: A dataset, or None: the target if it is a dataset.

    Raises:
        ValueError: An unknown name; none though it is needed. The known ones are listed.
    """
    known = model.label_space.datasets
    listed = ', '.join(known)
    if target is None:
        if len(known) > 1:
            raise ValueError('name the label space of the pseudo labels (--label-space): one of '
                             f'{listed}, or {UNIFIED!r} for all nodes')
        target = known[0]
    read_tested(model, target)
    if target not in (*known, *model.unseen, UNIFIED):
        raise ValueError(f'unknown label space {target!r}; the model predicts {listed}, {UNIFIED}')
    if images_of is None and target in known:
        images_of = target
    if images_of not in known and not (model.test_cfg or {}).get('norm_fallback') \
            and (images_of is not None or dsbn_layers(model)):
        what = 'not said' if images_of is None else f'{images_of!r}, which the model does not know'
        raise ValueError(f'the dataset that the images are like is {what}; name it '
                         f'(--images-of): one of {listed}. Its batch norms are used. Or set '
                         "model.test_cfg.norm_fallback='nearest'")
    return target, images_of


def space_of_target(model: MultiDatasetSegmentor, target: str) -> LabelSpace:
    """Return names and colours of what is predicted."""
    if target == UNIFIED:
        return LabelSpace(UNIFIED, model.label_space.nodes, model.label_space.palette)
    return model.space_of(target)


class Completion(NamedTuple):
    """How a dataset's own labels and a prediction make one label map.

    Attributes:
        translated: Class of the target of each class of the dataset, -1 for none. [L].
        added: Which classes of the target only the prediction gives. [C], bool.
    """

    translated: np.ndarray
    added: np.ndarray


def completion(model: MultiDatasetSegmentor, dataset: str, target: str) -> Completion:
    """Find what a dataset's labels are in a target, and which classes they lack.

    A class goes over its nodes to a class of the target where all of them have that one class.
    Classes of the target that share no node with the dataset are added.

    Raises:
        ValueError: The model was not trained on the dataset; no class goes over; none is added.
    """
    known = model.label_space.datasets
    if dataset not in known:
        raise ValueError(f'the labels of {dataset!r} cannot be completed: the model was trained on '
                         f'{", ".join(known)}')
    own = model.class_of_node(dataset)
    nodes = np.arange(len(own)) if target == UNIFIED else model.class_of_node(target)
    translated = np.full(model.label_space.space(dataset).num_classes, -1)
    for class_id in range(len(translated)):
        targets = set(nodes[own == class_id].tolist())
        if len(targets) == 1:
            translated[class_id] = targets.pop()
    count = space_of_target(model, target).num_classes
    added = ~np.isin(np.arange(count), nodes[own >= 0])
    if not (translated >= 0).any():
        raise ValueError(f'no class of {dataset} is one class of {target}, so its labels would be '
                         f'lost; complete them in {UNIFIED!r} (--label-space), or leave '
                         '--complete out')
    if not added.any():
        raise ValueError(f'{dataset} has all classes of {target}: there is nothing to complete; '
                         f'name another --label-space, or leave --complete out')
    return Completion(translated, added)


def test_steps(model: MultiDatasetSegmentor) -> list[dict]:
    """Return the transforms of the test pipeline after the loading, in plain types."""
    return [dict(copy.deepcopy(step)) for step in model.cfg.test_pipeline
            if step['type'] not in (*LABEL_LOADERS, *IMAGE_LOADERS)]


def _augmented(steps: Sequence[dict], scale: float, flip: bool) -> list[dict]:
    """Return transforms that also scale and mirror, before the packing."""
    steps = [dict(copy.deepcopy(step)) for step in steps]
    own = [step for step in steps if step['type'] == 'Resize']
    new = []
    if scale != 1 and own:
        # The pipeline's own size, scaled: resizing twice would blur.
        key = 'scale' if own[-1].get('scale') is not None else 'scale_factor'
        size = own[-1][key]
        if key == 'scale':
            size = [size, size] if isinstance(size, int) else size
            own[-1][key] = tuple(max(1, int(side * scale + 0.5)) for side in size)
        else:
            own[-1][key] = (tuple(side * scale for side in size)
                            if isinstance(size, (list, tuple)) else size * scale)
    elif scale != 1:
        new.append({'type': 'Resize', 'scale_factor': scale, 'keep_ratio': True})
    if flip:
        new.append({'type': 'RandomFlip', 'prob': 1.0, 'direction': 'horizontal'})
    return [*steps[:-1], *new, steps[-1]]


def _check_whole(path: str) -> None:
    """Refuse a file that ends early; OpenCV fills it up."""
    try:
        with Image.open(path) as image:
            image.load()
    except UnidentifiedImageError:
        pass  # of a kind that the pipeline's loader may know


@contextmanager
def _tested_as(model: MultiDatasetSegmentor, test_cfg: dict) -> Iterator[None]:
    own = model.test_cfg
    model.test_cfg = type(own)(test_cfg) if own is not None else test_cfg
    try:
        yield
    finally:
        model.test_cfg = own
