"""What inference for one dataset costs, beside a network for that dataset alone."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from mmengine.analysis import FlopAnalyzer, get_model_complexity_info
from mmengine.logging import MMLogger
from mmseg.structures import SegDataSample
from prettytable import PrettyTable
from torch import Tensor, nn

from ..models import DSBN, MultiDatasetSegmentor
from ..models.heads import UniSegHead
from ..registry import MODELS


class Complexity(NamedTuple):
    """Cost of one image's inference for one dataset.

    Attributes:
        parameters: Parameters that take part.
        macs: FLOPs as MMEngine counts them: a multiply-add is one.
        operators: The same by operator.
        uncounted: How often operators were met whose FLOPs MMEngine does not count.
    """

    parameters: int
    macs: int
    operators: dict[str, int]
    uncounted: dict[str, int]


class Comparison(NamedTuple):
    """The network of all datasets, read for one of them, and a network for that one alone.

    Attributes:
        together: Cost within the network of all datasets.
        alone: Cost of the same network with ordinary batch norms, built for the dataset alone.
        all_parameters: Parameters of the network of all datasets, without auxiliary heads.
        shape: Height and width that the network sees, after padding.
    """

    together: Complexity
    alone: Complexity
    all_parameters: int
    shape: tuple[int, int]

    @property
    def same(self) -> bool:
        """Whether both cost the same, what MMEngine does not count included."""
        return self.together == self.alone


def compare(model_cfg: Mapping, dataset: str, shape: tuple[int, int]) -> Comparison:
    """Count inference for one dataset of a config, and for a network of that dataset alone.

    The decode head's logits are counted, before they are enlarged to the size of the image, as in
    MMSegmentation's ``get_flops.py``; auxiliary heads and losses take no part.

    Args:
        model_cfg: ``model`` of a config.
        dataset: Name of one of its datasets.
        shape: Height and width of the image.

    Raises:
        ValueError: The model has no datasets, or not this one.
    """
    if not model_cfg.get('datasets'):
        raise ValueError(f'the model ({model_cfg.get("type")}) has no `datasets`; only '
                         "dict(type='MultiDatasetSegmentor', datasets=[...]) can be compared")
    known = [entry['name'] for entry in model_cfg['datasets']]
    if dataset not in known:
        raise ValueError(f'unknown dataset {dataset!r}; the config has {", ".join(known)}')
    together = MODELS.build(inference_cfg(model_cfg)).eval()
    alone = MODELS.build(alone_cfg(model_cfg, dataset)).eval()
    inputs = _inputs(together, dataset, shape)
    return Comparison(_count(together, dataset, inputs), _count(alone, dataset, inputs),
                      sum(p.numel() for p in together.parameters()), tuple(inputs.shape[2:]))


def inference_cfg(model_cfg: Mapping) -> dict:
    """Return a model config without what is for training only: auxiliary heads and losses."""
    cfg = copy.deepcopy(model_cfg)
    cfg.pop('auxiliary_head', None)
    for key in ('loss_decode', 'sampler', 'sync_normalizer', 'dataset_weights'):
        cfg['decode_head'].pop(key, None)
    return cfg


def alone_cfg(model_cfg: Mapping, dataset: str) -> dict:
    """Return the config of the same network for one dataset, with ordinary batch norms."""
    cfg = _without_dsbn(inference_cfg(model_cfg))
    cfg['datasets'] = [entry for entry in cfg['datasets'] if entry['name'] == dataset]
    cfg['label_space'] = {'type': 'disjoint'}
    cfg.pop('dataset_norm', None)
    for key in ('label_space', 'norm_fallback'):
        (cfg.get('test_cfg') or {}).pop(key, None)
    return cfg


def _without_dsbn(cfg):
    """Replace norm configs of type DSBN by BN, wherever they are."""
    if isinstance(cfg, (list, tuple)):
        return type(cfg)(_without_dsbn(value) for value in cfg)
    if not isinstance(cfg, dict):
        return cfg
    if cfg.get('type') in ('DSBN', DSBN):
        kept = {k: v for k, v in cfg.items() if k not in ('share', 'sync', 'single_value')}
        return type(cfg)({**kept, 'type': 'BN'})
    return type(cfg)({key: _without_dsbn(value) for key, value in cfg.items()})


def unused_rows(model: MultiDatasetSegmentor, dataset: str) -> dict[str, Tensor]:
    """Return which rows of which parameters inference for a dataset does not use.

    Returns:
        Name of the parameter -> bool [rows]; other parameters are used as a whole.
    """
    unused = {}
    for prefix, module in model.named_modules():
        if isinstance(module, UniSegHead):
            used = torch.zeros(module.label_space.num_nodes, dtype=torch.bool)
            used[module.readouts[dataset].rows] = True
            masks = {f'classifier.{name}': used for name, p in module.classifier.named_parameters()
                     if len(p) == len(used)}
        elif hasattr(module, 'dataset_rows'):
            masks = module.dataset_rows([dataset])
        else:
            continue
        unused.update({f'{prefix}.{name}': ~mask for name, mask in masks.items()
                       if not bool(mask.all())})
    return unused


def used_parameters(model: MultiDatasetSegmentor, dataset: str) -> int:
    """Count the parameters that inference for a dataset uses."""
    unused = unused_rows(model, dataset)
    return sum(p.numel() - (int(unused[name].sum()) * p[0].numel() if name in unused else 0)
               for name, p in model.named_parameters())


class _OneDataset(nn.Module):
    """Takes images alone, as MMEngine's analysis wants: they are all of one dataset."""

    def __init__(self, model: MultiDatasetSegmentor, dataset: str) -> None:
        super().__init__()
        self.model, self.dataset = model, dataset

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the dataset's logits."""
        sample = SegDataSample(metainfo={'dataset': self.dataset})
        return self.model(inputs, [sample] * len(inputs), mode='tensor')


def _inputs(model: MultiDatasetSegmentor, dataset: str, shape: tuple[int, int]) -> Tensor:
    """An image of the given size after the model's own padding."""
    sample = SegDataSample(metainfo={'dataset': dataset, 'ori_shape': shape, 'img_shape': shape})
    batch = {'inputs': [torch.zeros(3, *shape, dtype=torch.uint8)], 'data_samples': [sample]}
    return model.data_preprocessor(batch, False)['inputs']


@torch.no_grad()
def _count(model: MultiDatasetSegmentor, dataset: str, inputs: Tensor) -> Complexity:
    network = _OneDataset(model, dataset)
    with _quiet():
        info = get_model_complexity_info(network, inputs=(inputs,), show_table=False,
                                         show_arch=False)
        analyzer = FlopAnalyzer(network, (inputs,))
        operators, uncounted = analyzer.by_operator(), analyzer.unsupported_ops()
    return Complexity(used_parameters(model, dataset), int(info['flops']),
                      {key: int(value) for key, value in operators.items()}, dict(uncounted))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without MMEngine's warnings of operators and modules; we report them ourselves."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def format_comparisons(comparisons: Mapping[str, Comparison], shape: Sequence[int]) -> str:
    """Write a table, and say for which datasets both networks cost the same.

    Args:
        comparisons: By dataset.
        shape: Height and width that were asked for.
    """
    first = next(iter(comparisons.values()))
    seen = '' if first.shape == tuple(shape) else f' (padded to {first.shape[0]} x ' \
        f'{first.shape[1]})'
    table = PrettyTable(['dataset', 'network', 'parameters', 'GFLOPs'])
    table.align.update({'dataset': 'l', 'network': 'l', 'parameters': 'r', 'GFLOPs': 'r'})
    for dataset, result in comparisons.items():
        for name, network, cost in ((dataset, 'of all datasets', result.together),
                                    ('', 'for it alone, BN', result.alone)):
            table.add_row([name, network, f'{cost.parameters:,}', f'{cost.macs / 1e9:.6f}'])
    same = [dataset for dataset, result in comparisons.items() if result.same]
    lines = [f'one image of 3 x {shape[0]} x {shape[1]}{seen}; parameters of the whole network: '
             f'{first.all_parameters:,}', table.get_string(),
             'FLOPs as MMEngine counts them: a multiply-add is one; without enlarging the logits']
    if same:
        lines.append(f'{", ".join(same)}: the same parameters and FLOPs as a network for the '
                     'dataset alone')
    lines += [f'{dataset}: not the same; {_differences(result)}'
              for dataset, result in comparisons.items() if not result.same]
    return '\n'.join(lines)


def _differences(result: Comparison) -> str:
    parts = []
    together, alone = result.together, result.alone
    for name in sorted({*together.operators, *alone.operators}):
        more = together.operators.get(name, 0) - alone.operators.get(name, 0)
        if more:
            parts.append(f'{more:+,} in {name}')
    if together.parameters != alone.parameters:
        parts.append(f'{together.parameters - alone.parameters:+,} parameters')
    for name in sorted({*together.uncounted, *alone.uncounted}):
        more = together.uncounted.get(name, 0) - alone.uncounted.get(name, 0)
        if more:
            parts.append(f'{more:+,} x {name} (FLOPs not counted)')
    return ', '.join(parts)
