"""Predicting images with a trained model."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import mmseg.apis
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate

from ..datasets.metainfo import label_spaces_from_cfg, whole_entry
from ..models import UNIFIED, MultiDatasetPretrainer, MultiDatasetSegmentor
from ..registry import MODELS
from .trained import name_of

#: Transforms of a test pipeline that images without labels do not need.
LABEL_LOADERS = ('LoadAnnotations', 'LoadLabelMap')
IMAGE_LOADERS = ('LoadImageFromFile', 'LoadImageFromNDArray', 'RenderToyWorld')


def init_model(config: str | Path | Config, checkpoint: str | None = None,
               device: str | None = None,
               cfg_options: dict | None = None) -> MultiDatasetSegmentor:
    """Build a model from a config and load its weights.

    Args:
        config: Config or its file.
        checkpoint: Checkpoint file; without one the weights are random.
        device: Default: the GPU if there is one, else the CPU.
        cfg_options: Keys of the config to override.

    Raises:
        ValueError: The checkpoint was trained for another label space; the differences are listed.
            The model is a pretrainer.
    """
    if device is None:
        device = 'cuda:0' if torch.cuda.is_available() else 'cpu'
    if isinstance(config, (str, Path)):
        config = Config.fromfile(config)
    if _is_pretrainer(config, cfg_options):
        raise ValueError(
            f'{name_of(config)}: the model is a pretrainer, which has no classes to predict. Write '
            f'its backbone with tools/export.py {checkpoint or "CHECKPOINT"} --backbone, train a '
            'model that starts from that file, and name the config and the checkpoint of that '
            'model. For embeddings of pixels: mmseg_multids.apis.trained.load_trained(CHECKPOINT, '
            'kinds=(MultiDatasetPretrainer,)).model.embed(...)')
    return mmseg.apis.init_model(config, checkpoint, device=device, cfg_options=cfg_options)


def _is_pretrainer(config: Config, cfg_options: dict | None) -> bool:
    kind = (cfg_options or {}).get('model.type', (config.get('model') or {}).get('type'))
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    return isinstance(kind, type) and issubclass(kind, MultiDatasetPretrainer)


def inference(model: MultiDatasetSegmentor,
              images: str | Path | np.ndarray | Sequence[str | Path | np.ndarray],
              dataset: str | None = None, label_space: str | None = None):
    """Segment one image or several.

    Args:
        model: A model of :func:`init_model`.
        images: A file, an array [H, W, 3] (uint8, BGR as OpenCV reads it), or a sequence of them.
        dataset: Which dataset's classes to predict, or ``'unified'`` for all nodes. May be left out
            where the model has one dataset. A dataset that the model was not trained on is read by
            the names of its classes where the model's config tests it, or after
            ``model.read_unseen(...)``.
        label_space: Predict in another dataset's classes than those of ``dataset``, or
            ``'unified'``; ``dataset`` then still says where the images come from, which may be a
            dataset that the model was not trained on.

    Returns:
        A data sample, or a list of them for a sequence: ``pred_sem_seg.data`` [1, H, W] holds class
        ids, ``seg_logits.data`` [K, H, W] their logits, at the images' sizes. Names of the classes:
        ``model.label_space.space(dataset).classes``, or ``model.label_space.nodes``.

    Raises:
        ValueError: Unknown dataset (the known ones are listed), or none named where there are
            several.
        FileNotFoundError: An image does not exist.
    """
    known = model.label_space.datasets
    if dataset is None:
        if len(known) > 1:
            raise ValueError('name the dataset whose classes to predict: one of '
                             f'{", ".join(known)}, or {UNIFIED!r}')
        dataset = known[0]
    if label_space is not None and label_space not in (*known, UNIFIED, *model.unseen):
        raise ValueError(f'unknown label_space {label_space!r}; known: {", ".join(known)}, '
                         f'{UNIFIED}')
    if label_space is None:
        read_tested(model, dataset)
    if label_space is None and dataset not in (*known, UNIFIED, *model.unseen):
        raise ValueError(f'unknown dataset {dataset!r}; known: {", ".join(known)}, {UNIFIED}. For '
                         'images of another dataset name the classes to predict: '
                         f'label_space={known[0]!r}, or model.read_unseen(LabelSpace(name, '
                         'classes))')
    target = label_space or dataset
    single = isinstance(images, (str, Path, np.ndarray))
    results = [_predict(model, image, None if dataset == UNIFIED else dataset, target)
               for image in ([images] if single else images)]
    return results[0] if single else results


def read_tested(model: MultiDatasetSegmentor, dataset: str) -> None:
    """Let the model read a dataset that its config tests and that it was not trained on."""
    if dataset in (*model.label_space.datasets, *model.unseen, UNIFIED):
        return
    for loader in (model.cfg.get('test_dataloader'), model.cfg.get('val_dataloader')):
        entries = [whole_entry(entry) for entry in
                   ((loader or {}).get('dataset') or {}).get('datasets', ())]
        own = [entry for entry in entries if entry['name'] == dataset]
        if own and dataset not in model.unseen:
            model.read_unseen(label_spaces_from_cfg(own)[0])


def _predict(model: MultiDatasetSegmentor, image: str | Path | np.ndarray, dataset: str | None,
             target: str):
    if isinstance(image, np.ndarray):
        loader, info = {'type': 'LoadImageFromNDArray'}, {'img': image}
    else:
        if not Path(image).is_file():
            raise FileNotFoundError(f'image {image} does not exist')
        loader, info = {'type': 'LoadImageFromFile'}, {'img_path': str(image)}
    steps = [copy.deepcopy(step) for step in model.cfg.test_pipeline
             if step['type'] not in (*LABEL_LOADERS, *IMAGE_LOADERS)]
    data = Compose([loader, *steps])(info)
    metainfo = {'label_space': target}
    if dataset is not None:
        metainfo['dataset'] = dataset
    data['data_samples'].set_metainfo(metainfo)
    with torch.no_grad():
        return model.test_step(pseudo_collate([data]))[0]
