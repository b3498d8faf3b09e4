"""One dataset of a trained model as a model of plain MMSegmentation."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.config import Config
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import TASK_UTILS, WEIGHT_INITIALIZERS
from torch import Tensor

from ..files import check_new, replacing
from ..models import (
    UNIFIED,
    LinearNodeClassifier,
    MultiDatasetSegmentor,
    UniSegHead,
    classifier_in_use,
)
from ..models.context import MEAN
from ..models.layers import dsbn_layers, plain_state_dict
from ..models.segmentors.checkpoint import SPACE_KEY
from ..registry import MODELS, TRANSFORMS
from .export_onnx import check_onnx_is_installed, export_onnx
from .inference import LABEL_LOADERS
from .stock import class_of, is_stock, plain_parts, refuse_unless_stock, typed_parts
from .trained import heads_of, load_trained, logits_of_noise

_OWN_TEST_CFG = ('label_space', 'norm_fallback', 'unseen', 'multi_label')


class Exported(NamedTuple):
    """What was written."""

    config: Path
    checkpoint: Path
    #: Largest difference between our logits and those of the plain model, on a random image.
    difference: float
    #: ONNX file, and its largest difference from the plain model.
    onnx: tuple[Path, float] | None
    #: What became something else than it was.
    notes: list[str]


def export(checkpoint: str | Path, dataset: str, out: str | Path | None = None,
           config: str | Path | Config | None = None, norm: str | None = None,
           onnx: str | Path | None = None, size: Sequence[int] | None = None,
           cfg_options: dict | None = None, force: bool = False) -> Exported:
    """Write a config and a checkpoint that plain MMSegmentation loads, and optionally ONNX.

    The files need ``mmseg.apis.init_model`` and nothing of this package. Before they are written
    the plain model's logits are compared with ours. All files appear, or none.

    Args:
        checkpoint: Checkpoint file.
        dataset: Whose classes to predict, or ``'unified'`` for the nodes.
        out: Folder for ``<dataset>.py`` and ``<dataset>.pth``. Default: ``exported`` beside the
            checkpoint.
        config: Config or file that the checkpoint was trained with. Default: the config that
            MMEngine keeps in the checkpoint.
        norm: Whose statistics of dataset-specific batch norms to keep, or ``'mean'``. Default: the
            dataset's; the nodes have none of their own, so it must be said.
        onnx: Also write this file; see :func:`export_onnx`.
        size: Height and width of the ONNX model's images. Default: the crop size of the config's
            ``test_cfg``, else 512 x 512.
        cfg_options: Keys of the config to override.
        force: Replace existing files.

    Raises:
        FileExistsError: A file exists, and ``force`` is not set.
        FileNotFoundError: Config or checkpoint does not exist.
        ImportError: ONNX is asked for and not installed.
        TypeError: A part of the model or of the test pipeline is not in plain MMSegmentation.
        ValueError: Unknown dataset or ``norm``; the checkpoint does not fit the config, or there is
            no config; a checkpoint from the net without ``out``.
        RuntimeError: The exported model's logits differ from ours.
    """
    if onnx is not None:
        check_onnx_is_installed()
    if out is None:
        if '://' in str(checkpoint):
            raise ValueError(f'checkpoint {checkpoint} is no file with a folder beside it; name '
                             'the folder to write into (--out DIR)')
        out = Path(checkpoint).parent / 'exported'
    out = Path(out)
    targets = [out / f'{dataset}.py', out / f'{dataset}.pth', *([Path(onnx)] if onnx else [])]
    check_new(targets, force)
    cfg, model, _ = load_trained(checkpoint, config, cfg_options)
    norm = _checked_norm(model, dataset, norm)
    plain_cfg, notes = plain_config(cfg, model, dataset)
    plain: EncoderDecoder = MODELS.build(copy.deepcopy(plain_cfg.model)).eval()
    plain.load_state_dict(plain_state(model, dataset, norm))
    difference = _compare(model, plain, dataset, norm)
    if dataset == UNIFIED:
        classes, palette = model.label_space.nodes, model.label_space.palette
    else:
        space = model.label_space.space(dataset)
        classes, palette = space.classes, space.palette
    meta = {'dataset_meta': {'classes': list(classes), 'palette': [list(c) for c in palette]}}
    with ExitStack() as stack:
        files = [stack.enter_context(replacing(path)) for path in targets]
        files[0].write_text(_header(checkpoint, dataset, norm) + plain_cfg.pretty_text,
                            encoding='utf-8')
        torch.save({'meta': meta, 'state_dict': plain.state_dict()}, files[1])
        if onnx:
            crop = (plain_cfg.model.get('test_cfg') or {}).get('crop_size')
            description = {**meta['dataset_meta'],
                           'data_preprocessor': plain_cfg.model.get('data_preprocessor')}
            error = export_onnx(plain, files[2], size or crop or (512, 512), description)
    return Exported(*targets[:2], difference, (targets[2], error) if onnx else None, notes)


def _checked_norm(model: MultiDatasetSegmentor, dataset: str, norm: str | None) -> str | None:
    known = model.label_space.datasets
    if dataset not in (*known, UNIFIED):
        raise ValueError(f'unknown dataset {dataset!r}; known: {", ".join(known)}, {UNIFIED}')
    if norm not in (None, *known, MEAN):
        raise ValueError(f'norm={norm!r}: allowed are {", ".join(known)} and {MEAN!r}')
    if not dsbn_layers(model):
        if norm is not None:
            raise ValueError(f'norm={norm!r}: the model has no dataset-specific batch norms to '
                             'choose from; leave it out')
        return None
    if dataset == UNIFIED and norm is None:
        raise ValueError('the model has dataset-specific batch norms, and the unified nodes are no '
                         f'dataset: say whose statistics to keep with norm ({", ".join(known)}) or '
                         f'norm={MEAN!r}')
    return norm or dataset


# ------------------------------------------------------------------ config


def plain_config(cfg: Config, model: MultiDatasetSegmentor,
                 dataset: str) -> tuple[Config, list[str]]:
    """Return the config of the plain model, and what became something else in it.

    Raises:
        TypeError: A part is not in plain MMSegmentation; it is named.
        ValueError: The config has no ``test_pipeline``.
    """
    if type(model) is not MultiDatasetSegmentor:
        raise TypeError(f'{type(model).__name__} cannot be exported: how it predicts is not known; '
                        'MultiDatasetSegmentor can be')
    notes: list[str] = []
    arguments = copy.deepcopy(cfg.model.to_dict())
    for key in ('type', 'datasets', 'label_space', 'dataset_norm', 'finetune_from',
                'finetune_classifier', 'mixing'):
        arguments.pop(key, None)
    heads = heads_of(model)
    num_classes = heads['decode_head'].num_outputs(dataset)
    for key in ('decode_head', 'auxiliary_head'):
        own = arguments.get(key)
        if isinstance(own, dict):
            arguments[key] = _plain_head(own, num_classes, notes)
        elif own:
            arguments[key] = [_plain_head(head, num_classes, notes) for head in own]
    test_cfg = arguments.get('test_cfg') or {}
    arguments['test_cfg'] = {k: v for k, v in test_cfg.items() if k not in _OWN_TEST_CFG}
    arguments = plain_parts({'type': 'EncoderDecoder', **arguments})
    for entry in typed_parts(arguments):
        refuse_unless_stock(entry, (MODELS, TASK_UTILS, WEIGHT_INITIALIZERS), 'the model')
    return Config({'default_scope': 'mmseg', 'model': arguments,
                   'test_pipeline': _plain_pipeline(cfg)}), notes


def _plain_head(own: dict, num_classes: int, notes: list[str]) -> dict:
    """From the config of a UniSegHead to that of the head that it wraps."""
    head = {**own['head'], 'num_classes': num_classes}
    for key in ('sampler', 'ignore_index'):
        if own.get(key) is not None:
            head[key] = own[key]
    losses = own.get('loss_decode', {'type': 'PixelCrossEntropyLoss'})
    plain = []
    for loss in losses if isinstance(losses, (list, tuple)) else [losses]:
        if loss['type'] == 'PixelCrossEntropyLoss' and loss.get('space', 'dataset') == 'dataset' \
                and not loss.get('class_weight'):  # equal to the stock loss
            loss = {'type': 'CrossEntropyLoss', 'avg_non_ignore': True,
                    **{key: loss[key] for key in ('loss_weight', 'loss_name') if key in loss}}
        elif not is_stock(class_of(loss['type'], (MODELS,))):
            notes.append(f'loss {loss["type"]} became CrossEntropyLoss (of no consequence but for '
                         'further training)')
            loss = {'type': 'CrossEntropyLoss', 'avg_non_ignore': True}
        weights = loss.get('class_weight')
        if weights is not None and (isinstance(weights, str) or len(weights) != num_classes):
            loss = {k: v for k, v in loss.items() if k != 'class_weight'}
            notes.append(f'class_weight of {loss["type"]} left out: no list of {num_classes} '
                         'numbers')
        plain.append(loss)
    head['loss_decode'] = plain if len(plain) > 1 else plain[0]
    return head


def _plain_pipeline(cfg: Config) -> list[dict]:
    steps = copy.deepcopy(cfg.get('test_pipeline'))
    if not steps:
        raise ValueError(f'config {cfg.filename or ""} has no test_pipeline, which says how an '
                         'image file is read: add for instance test_pipeline = '
                         "[dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]")
    # Images to predict have no labels; MMSegmentation skips its own loader of them as well.
    steps = [dict(step) for step in steps if step['type'] not in LABEL_LOADERS]
    for entry in typed_parts(steps):
        refuse_unless_stock(entry, (TRANSFORMS,), 'test_pipeline')
    return steps


def _header(checkpoint: str | Path, dataset: str, norm: str | None) -> str:
    lines = [f'Classes of {dataset!r} out of {Path(checkpoint).name}, for plain MMSegmentation '
             '(made by tools/export.py' + (f', statistics of {norm!r}).' if norm else ').'),
             f'    mmseg.apis.init_model({dataset + ".py"!r}, {dataset + ".pth"!r})']
    return ''.join(f'# {line}\n' for line in lines)


# ------------------------------------------------------------------ weights


@torch.no_grad()
def plain_state(model: MultiDatasetSegmentor, dataset: str,
                norm: str | None) -> dict[str, Tensor]:
    """Return the state dict of the plain model.

    Args:
        model: The trained model.
        dataset: Whose classes to predict, or ``'unified'``.
        norm: Whose statistics of dataset-specific batch norms to keep, or ``'mean'``.

    Raises:
        TypeError: A head's classifier is no 1x1 convolution.
    """
    # A loss may have buffers; ours stand elsewhere than a stock head's, and predict nothing.
    state = {key: value for key, value in plain_state_dict(model, norm).items()
             if key != SPACE_KEY and '.loss_decode.' not in key}
    for name, head in heads_of(model).items():
        classifier = classifier_in_use(head.classifier)
        if type(classifier) is not LinearNodeClassifier:
            raise TypeError(f'{name}: a {type(classifier).__name__} cannot be exported; only '
                            'LinearNodeClassifier is the 1x1 convolution that stock heads have'
                            + ('. Write a model with its label space fixed first: tools/export.py '
                               '--dataset all' if head.mapper is not None else ''))
        state = {key: value for key, value in state.items()
                 if not key.startswith((f'{name}.classifier.', f'{name}.contrast.'))}
        state.update({f'{name}.conv_seg.{key}': rows
                      for key, rows in _class_rows(head, dataset).items()})
        inner = f'{name}.head.'
        for key in [key for key in state if key.startswith(inner)]:
            state[f'{name}.{key[len(inner):]}'] = state.pop(key)
    return state


def _class_rows(head: UniSegHead, dataset: str) -> dict[str, Tensor]:
    """Weight [K, D, 1, 1] and bias [K] of the dataset's classes.

    A read-out is linear in the logits, hence in the rows that they come from: it takes the rows as
    if their D numbers were pixels.
    """
    readout = head.readout(dataset)
    classifier = classifier_in_use(head.classifier)
    weight = classifier.weight[readout.rows].flatten(1)  # [R, D]
    bias = classifier.bias[readout.rows]  # [R]
    return {'weight': readout(weight[None, :, :, None])[0, ..., None],
            'bias': readout(bias[None, :, None, None])[0, :, 0, 0]}


def _compare(model: MultiDatasetSegmentor, plain: EncoderDecoder, dataset: str,
             norm: str | None) -> float:
    own = None if dataset == UNIFIED else dataset
    ours = logits_of_noise(model, dataset=own, target=dataset, norm=norm)
    theirs = logits_of_noise(plain)
    if ours.shape != theirs.shape or not torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4):
        raise RuntimeError(
            f'the exported model differs from ours: logits {list(theirs.shape)} and '
            f'{list(ours.shape)}'
            + (f', up to {float((ours - theirs).abs().max()):.2g} apart'
               if ours.shape == theirs.shape else '') + '. Nothing was written; please report it')
    return float((ours - theirs).abs().max())
