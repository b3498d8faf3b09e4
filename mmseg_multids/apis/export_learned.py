"""A model whose label space was learned, without what only learning needs (AutoUniSeg)."""

from __future__ import annotations

import copy
import os
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.config import Config

from ..files import check_new, replacing
from ..label_spaces import UnifiedLabelSpace
from ..label_spaces.json_files import read_json
from ..models import MapperPhase, MultiDatasetSegmentor
from ..models.segmentors.checkpoint import SPACE_KEY, space_to_bytes
from ..registry import MODELS
from .trained import load_trained, logits_of_noise


class Fixed(NamedTuple):
    """What was written."""

    config: Path
    checkpoint: Path
    label_space: Path
    #: Largest difference between the logits of both models, on a random image.
    difference: float


def renamed(label_space: UnifiedLabelSpace, names: dict[str, str]) -> UnifiedLabelSpace:
    """Give nodes other names.

    Raises:
        ValueError: A node that there is not; two nodes of one name; a name that is no text.
    """
    for old, new in names.items():
        if old not in label_space.nodes:
            raise ValueError(f'names has {old!r}, which is no node; nodes are '
                             f'{", ".join(label_space.nodes[:10])}, ...')
        if not isinstance(new, str) or not new.strip():
            raise ValueError(f'names gives {old!r} the name {new!r}; a text is needed')
    return UnifiedLabelSpace([names.get(node, node) for node in label_space.nodes],
                             list(label_space.spaces.values()),
                             {d: label_space.class_of_node(d) for d in label_space.datasets})


def export_learned(checkpoint: str | Path, out: str | Path | None = None,
                   config: str | Path | Config | None = None,
                   names: str | os.PathLike | None = None,
                   cfg_options: dict | None = None, force: bool = False) -> Fixed:
    """Write a model with its learned label space as a fixed one.

    The graph network, the first heads, auxiliary heads and nodes that stand for nothing are left
    out; the nodes are rows of an ordinary classifier. The label space is a JSON file that any other
    config can use (``label_space=dict(type='file', path=...)``) and that can be edited.

    Args:
        checkpoint: Checkpoint of a run with :class:`GNNLabelMapper`.
        out: Folder for ``model.py``, ``model.pth`` and ``label_space.json``. Default: ``learned``
            beside the checkpoint.
        config: Config or file that it was trained with. Default: the one in the checkpoint.
        names: JSON file, an object of other names of nodes by name. Default: as nodes are called
            after the classes that they stand for.
        cfg_options: Keys of the config to override.
        force: Replace existing files.

    Raises:
        FileExistsError: A file exists, and ``force`` is not set.
        FileNotFoundError: A file does not exist.
        ValueError: The model learns no label space, or has none yet; unfit names.
        RuntimeError: The written model's logits differ.
    """
    folder = Path(checkpoint).parent / 'learned' if out is None else Path(out)
    targets = [folder / 'model.py', folder / 'model.pth', folder / 'label_space.json']
    check_new(targets, force)
    cfg, model, _ = load_trained(checkpoint, config, cfg_options)
    mapper = model.decode_head.mapper
    if mapper is None:
        raise ValueError('the label space of this model was not learned: --dataset all is for '
                         'models with a GNNLabelMapper')
    if mapper.current_phase not in (MapperPhase.SEGMENTATION, MapperPhase.FINAL):
        raise ValueError(f'the checkpoint is in the phase {mapper.current_phase.name.lower()!r}, '
                         'which has no fixed links; take one of a segmentation phase')
    space = model.label_space
    if names is not None:
        if not Path(names).is_file():
            raise FileNotFoundError(f'file of names {names} does not exist')
        space = renamed(space, read_json(Path(names)))

    fixed_cfg = copy.deepcopy(cfg)
    fixed_cfg.model.pop('auxiliary_head', None)
    fixed_cfg.model.decode_head.classifier = {'type': 'LinearNodeClassifier'}
    fixed_cfg.custom_hooks = [hook for hook in fixed_cfg.get('custom_hooks') or ()
                              if hook['type'] != 'TrainingPhases']
    fixed_cfg.load_from = None
    with ExitStack() as stack:
        files = [stack.enter_context(replacing(path)) for path in targets]
        space.to_json(files[2])
        fixed_cfg.model.label_space = {'type': 'file', 'path': str(files[2])}
        fixed = MODELS.build(copy.deepcopy(fixed_cfg.model)).eval()
        fixed.load_state_dict(_fixed_state(model, space))
        difference = _compare(model, fixed)
        fixed_cfg.model.label_space.path = str(targets[2].absolute())
        files[0].write_text(fixed_cfg.pretty_text, encoding='utf-8')
        torch.save({'meta': {'dataset_meta': fixed.dataset_meta},
                    'state_dict': fixed.state_dict()}, files[1])
    return Fixed(*targets, difference)


def _fixed_state(model: MultiDatasetSegmentor, space: UnifiedLabelSpace) -> dict:
    mapper = model.decode_head.mapper
    prefix = 'decode_head.classifier.'
    state = {key: value for key, value in model.state_dict().items()
             if not key.startswith((prefix, 'auxiliary_head.'))}
    rows = mapper.node_embedding[mapper.nodes].detach()
    state[f'{prefix}weight'] = rows[:, :, None, None]
    state[f'{prefix}bias'] = rows.new_zeros(len(rows))
    state[SPACE_KEY] = space_to_bytes(space)
    return state


@torch.no_grad()
def _compare(model: MultiDatasetSegmentor, fixed: MultiDatasetSegmentor) -> float:
    worst = 0.0
    for dataset in model.label_space.datasets:
        ours, theirs = (logits_of_noise(m, dataset=dataset, target=dataset)
                        for m in (model, fixed))
        if not torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3):
            raise RuntimeError(f'the written model differs from ours: logits of {dataset} are up '
                               f'to {float((ours - theirs).abs().max()):.2g} apart. Nothing was '
                               'written; please report it')
        worst = max(worst, float((ours - theirs).abs().max()))
    return worst
