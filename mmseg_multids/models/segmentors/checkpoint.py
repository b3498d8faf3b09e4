"""Which weights fit a multi-dataset segmentor, and how they are brought into its shape."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from ...label_spaces import UnifiedLabelSpace, nodes_by_name, read_alias_file
from ..heads import UniSegHead
from ..layers import DSBN, dsbn_layers
from ..losses import ClassRelationalBCELoss

#: Name of the buffer that holds the label space.
SPACE_KEY = 'label_space_json'


def space_to_bytes(label_space: UnifiedLabelSpace) -> Tensor:
    """Return a label space as JSON text in a tensor of bytes, so that checkpoints can hold it."""
    text = json.dumps(label_space.to_dict(), ensure_ascii=True, sort_keys=True)
    return torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).clone()


def space_from_bytes(stored: Tensor) -> UnifiedLabelSpace:
    """Read what :func:`space_to_bytes` wrote."""
    return UnifiedLabelSpace.from_dict(json.loads(bytes(stored.cpu().tolist()).decode()))


def refuse_pretrainer(state_dict: Mapping[str, Tensor], checkpoint: str = 'CHECKPOINT',
                      prefix: str = '', where: str = '') -> None:
    """Refuse the weights of a pretrainer, of which a segmentor takes the backbone alone.

    Args:
        state_dict: Weights.
        checkpoint: Where they come from, for the command that the error names.
        prefix: What stands before the model's own names.
        where: What the error begins with.

    Raises:
        ValueError: They are a pretrainer's.
    """
    if any(key.startswith(f'{prefix}encoder.backbone.') for key in state_dict):
        raise ValueError(f'{where}the weights are those of a pretrainer: write its backbone with '
                         f'tools/export.py {checkpoint} --backbone, and name that file as '
                         "model.backbone.init_cfg=dict(type='Pretrained', checkpoint=...)")


def check_network(model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str = '') -> None:
    """Refuse weights of another network, which MMEngine would only warn of.

    Auxiliary heads may be missing; what the network lacks is ignored.

    Raises:
        ValueError: Tensors are missing or have other shapes.
    """
    missing, other = [], []
    for key, own in model.state_dict().items():
        if '.contrast.bank.' in key:
            continue  # a bank knows which windows fit
        stored = state_dict.get(prefix + key)
        if stored is None:
            if not key.startswith('auxiliary_head') and not key.endswith(
                    ('num_batches_tracked', 'dataset_names', SPACE_KEY)) \
                    and '.loss_decode.' not in key and '.contrast.' not in key:
                missing.append(key)
        elif stored.shape != own.shape and not key.endswith(('dataset_names', SPACE_KEY)):
            layer = model.get_submodule(key.rpartition('.')[0])
            # An ordinary batch norm becomes every dataset's.
            if not (isinstance(layer, DSBN) and stored.shape == own.shape[1:]):
                other.append(f'{key} {list(stored.shape)} instead of {list(own.shape)}')
    # Of the head alone: a backbone may lack what another task's has.
    known = {prefix + key for key in model.state_dict()}
    surplus = [key[len(prefix):] for key in state_dict
               if key.startswith(f'{prefix}decode_head.') and key not in known
               and '.loss_decode.' not in key and '.contrast.' not in key
               and not key.endswith('dataset_names')]
    if not missing and not other and not surplus:
        return
    lines = [f'{len(found)} {what}: {", ".join(found[:3])}{" ..." if len(found) > 3 else ""}'
             for what, found in (('tensor(s) of other shapes', other),
                                 ('missing tensor(s)', missing),
                                 ('tensor(s) that the network lacks', surplus)) if found]
    hint = ''
    if any(key.endswith('.dataset_names') for key in state_dict) != bool(dsbn_layers(model)):
        hint = ('\nBatch norms are dataset-specific in one of both: see model.dataset_norm of the '
                'config that it was trained with')
    raise ValueError('The checkpoint was trained with another network than the config describes:'
                     '\n  ' + '\n  '.join(lines) + hint)


def reorder_nodes(model: nn.Module, state_dict: dict[str, Tensor], prefix: str,
                  order: np.ndarray) -> None:
    """Bring the classifiers' rows into the order of the model's nodes, in the state dict.

    Args:
        model: The segmentor.
        state_dict: Weights of a label space whose nodes stand in another order.
        prefix: What stands before the model's own names.
        order: Where each of the model's nodes stands in the stored rows. Shape [N].
    """
    rows = torch.from_numpy(order)
    for name, head in model.named_modules():
        if isinstance(head, UniSegHead):
            for key in head.dataset_rows(()):
                full = f'{prefix}{name}.{key}'
                if full in state_dict:
                    state_dict[full] = state_dict[full][rows.to(state_dict[full].device)]
        elif isinstance(head, ClassRelationalBCELoss):
            for dataset in head.label_space.datasets:
                full = f'{prefix}{name}.table_{dataset}'
                if full in state_dict:
                    state_dict[full] = state_dict[full][:, rows.to(state_dict[full].device)]


def load_all_but_classifiers(model: nn.Module, checkpoint: str,
                             carrying: Mapping | None = None) -> None:
    """Take over the weights of a model of other datasets.

    Args:
        model: The segmentor; it must accept states without classifiers.
        checkpoint: Checkpoint file.
        carrying: Arguments of :func:`carry_rows`. Default: the classifiers stay as they are.

    Raises:
        ValueError: The checkpoint lacks weights of this network, or has them in other shapes; it
            is a pretrainer's; as :func:`carry_rows`.
    """
    loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
    stored = loaded.get('state_dict', loaded)
    refuse_pretrainer(stored, checkpoint, where=f'finetune_from={checkpoint}: ')
    # Tables of losses belong to a label space as classifiers do.
    classifiers = tuple(f'{name}.{part}.' for name, module in model.named_modules()
                        if isinstance(module, UniSegHead)
                        for part in ('classifier', 'loss_decode'))
    state = {key: value for key, value in stored.items() if not key.startswith(classifiers)}
    state[SPACE_KEY] = getattr(model, SPACE_KEY)  # another one, as is meant here
    try:
        missing, unexpected = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ValueError(
            f'finetune_from={checkpoint}: the weights do not fit: {error}\nWhere the '
            "checkpoint's batch norms are dataset-specific and the config's are not, or of other "
            "datasets, write one dataset's network with tools/export.py first") from None
    missing = [key for key in missing if not key.startswith(classifiers)
               and not key.endswith('num_batches_tracked')]
    if missing:
        raise ValueError(f'finetune_from={checkpoint}: it has no weights for {len(missing)} '
                         f'tensors of this network, such as {missing[0]}')
    ignored = f'; {len(unexpected)} others are ignored' if unexpected else ''
    print_log(f'Weights of {checkpoint} but for the classifiers are taken over{ignored}',
              logger='current')
    if carrying is not None:
        try:
            carry_rows(model, stored, **carrying)
        except ValueError as error:
            raise ValueError(f'finetune_from={checkpoint}: finetune_classifier: {error}') from error


def check_carrying(option: str | Mapping | None, finetune_from: str | None) -> dict | None:
    """Return the arguments of :func:`carry_rows` that ``finetune_classifier`` gives, or ``None``.

    Raises:
        ValueError: Another way than ``'by_name'``, an unknown key, or nothing to fine-tune from.
    """
    if option is None:
        return None
    options = {'type': option} if isinstance(option, str) else dict(option)
    if options.pop('type', None) != 'by_name':
        raise ValueError(f"finetune_classifier={option!r}: allowed are None, 'by_name' and "
                         "dict(type='by_name', dataset=..., aliases=...)")
    unknown = sorted(set(options) - {'dataset', 'aliases'})
    if unknown:
        raise ValueError(f'finetune_classifier has no key {unknown[0]!r}; allowed: type, dataset, '
                         'aliases')
    if finetune_from is None:
        raise ValueError('finetune_classifier needs finetune_from, the checkpoint that the rows '
                         'are of')
    return options


@torch.no_grad()
def carry_rows(model: nn.Module, stored: Mapping[str, Tensor], dataset: str | None = None,
               aliases: Sequence[Sequence[str]] | str | None = None) -> None:
    """Let the classifiers' rows begin as those of the same names, in main and auxiliary heads.

    A class that has several nodes is read as their sum; where several datasets of the checkpoint
    have a class of that name, with nodes of their own, the mean of them is taken. Rows of other
    names stay as they are. What was carried over is logged.

    Args:
        model: The segmentor.
        stored: Weights of the other one, with its label space.
        dataset: Take the rows of this dataset of the checkpoint alone. Default: all.
        aliases: Groups of names that mean the same, as in ``unify_by_name``, or a file of them.

    Raises:
        ValueError: The weights hold no label space, no such dataset, no class of any of the names,
            or other classifiers.
    """
    if SPACE_KEY not in stored:
        raise ValueError('the weights hold no label space, so no names')
    old, new = space_from_bytes(stored[SPACE_KEY]), model.given_label_space
    if isinstance(aliases, (str, os.PathLike)):
        aliases = read_alias_file(aliases).groups
    origins = nodes_by_name(old, new, dataset, aliases)
    if not any(origins):
        raise ValueError(f'no class has a name that the checkpoint knows. It knows '
                         f'{", ".join(old.nodes)}; the config has {", ".join(new.nodes)}')
    shares = [max(int((new.class_of_node(d) == new.class_of_node(d)[node]).sum())
                  for d in new.datasets if new.class_of_node(d)[node] >= 0)
              for node in range(new.num_nodes)]
    carried = [node for node, sets in enumerate(origins) if sets]
    own = model.state_dict()
    for name, head in model.named_modules():
        if not isinstance(head, UniSegHead):
            continue
        keys = [f'{name}.{key}' for key in head.dataset_rows(())]
        if not keys:
            raise ValueError(f'{name} has no rows of its nodes: its label space is learned')
        for key in keys:
            rows = stored.get(key)
            if rows is None or rows.shape != (old.num_nodes, *own[key].shape[1:]):
                found = 'are missing' if rows is None else f'have the shape {list(rows.shape)}'
                raise ValueError(
                    f'the rows {key} {found}; {[old.num_nodes, *own[key].shape[1:]]} is needed. '
                    'Use the heads and the classifier that the checkpoint was trained with')
            for node in carried:
                of_sets = [rows[list(nodes)].sum(dim=0) for nodes in origins[node]]
                # Nodes that share a class add up to it.
                own[key][node] = torch.stack(of_sets).mean(dim=0) / shares[node]
    fresh = [node for i, node in enumerate(new.nodes) if i not in carried]
    print_log(f'{len(carried)} of {new.num_nodes} rows of the classifiers are carried over by name'
              + (f'; new: {", ".join(fresh)}' if fresh else ''), logger='current')
