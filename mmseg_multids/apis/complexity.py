"""What inference for one dataset costs, beside a network for it alone (CDCL, Table 6)."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from mmengine.analysis import FlopAnalyzer
from mmengine.logging import MMLogger
from mmseg.structures import SegDataSample
from prettytable import PrettyTable
from torch import Tensor, nn

from ..datasets.metainfo import whole_entry
from ..models import DSBN
from ..models.heads import UniSegHead
from ..registry import MODELS


class Parameters(NamedTuple):
    """Parameters that one dataset's inference uses.

    Attributes:
        shared: Of all datasets.
        norms: The dataset's rows of dataset-specific batch norms.
        classifier: The dataset's rows of the classifier over nodes.
    """

    shared: int
    norms: int
    classifier: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)


class Complexity(NamedTuple):
    """Cost of one image's inference for one dataset.

    Attributes:
        network: Name for the table.
        num_datasets: Datasets of the network.
        parameters: Parameters that take part.
        operators: FLOPs by operator as MMEngine counts them: a multiply-add is one, a value that a
            batch norm normalises is two.
        uncounted: How often operators were met whose FLOPs MMEngine does not count.
    """

    network: str
    num_datasets: int
    parameters: Parameters
    operators: dict[str, int]
    uncounted: dict[str, int]

    @property
    def flops(self) -> int:
        """FLOPs of all operators."""
        return sum(self.operators.values())


class Comparison(NamedTuple):
    """The network of all datasets, read for one of them, and another network.

    Attributes:
        together: Cost within the network of all datasets.
        other: Cost of the other network; by default of the same one with ordinary batch norms,
            built for the dataset alone.
        whole: All parameters of the network of all datasets, without auxiliary heads.
        shape: Height and width that the network sees, after padding.
    """

    together: Complexity
    other: Complexity
    whole: int
    shape: tuple[int, int]

    @property
    def same(self) -> bool:
        """Whether both cost the same, what MMEngine does not count included."""
        together, other = self.together, self.other
        return (together.parameters.total, together.operators, together.uncounted) == (
            other.parameters.total, other.operators, other.uncounted)


# ------------------------------------------------------------------------ counting


def compare(model_cfg: Mapping, shape: tuple[int, int], datasets: Sequence[str] | None = None,
            other_cfg: Mapping | None = None, names: tuple[str, str] = ('of all datasets',
                                                                        'the other network'),
            ) -> dict[str, Comparison]:
    """Count inference for datasets of a config, and for networks of one dataset each.

    The decode head's logits are counted, before they are enlarged to the size of the image, as in
    MMSegmentation's ``get_flops.py``; auxiliary heads and losses take no part. Weights are neither
    loaded nor initialised, and no data is read.

    Args:
        model_cfg: ``model`` of a config.
        shape: Height and width of the image, in pixels.
        datasets: Names of the config's datasets to count. Default: all, or those that the other
            config has, too.
        other_cfg: ``model`` of a config to compare with: one that has the datasets, or any network
            of MMSegmentation without ``datasets``. Default: :func:`alone_cfg`.
        names: What to call both networks; used with ``other_cfg``.

    Returns:
        A comparison by dataset.

    Raises:
        ValueError: A config has no datasets, or not this one; they have none in common.
    """
    if not model_cfg.get('datasets'):
        raise ValueError(f'the model ({model_cfg.get("type")}) has no `datasets`; only '
                         "dict(type='MultiDatasetSegmentor', datasets=[...]) can be compared")
    known = _dataset_names(model_cfg)
    _check_known(datasets or (), known, 'config')
    others = other_cfg and _dataset_names(other_cfg)
    if others:
        _check_known(datasets or (), others, 'other config')
        known = [name for name in known if name in others]
        if not known:
            raise ValueError(f'the configs have no dataset in common: '
                             f'{", ".join(_dataset_names(model_cfg))} and {", ".join(others)}')
    together = _build(model_cfg)
    other = None if other_cfg is None else _build(other_cfg)
    results = {}
    for dataset in datasets or known:
        inputs = _inputs(together, dataset, shape)
        if other_cfg is None:
            names, other = ('of all datasets', 'for it alone, BN'), \
                _build(alone_cfg(model_cfg, dataset))
        results[dataset] = Comparison(
            _count(together, names[0], dataset, inputs),
            _count(other, names[1], dataset, _inputs(other, dataset, shape)),
            sum(p.numel() for p in together.parameters()), tuple(inputs.shape[2:]))
    return results


def _dataset_names(model_cfg: Mapping) -> list[str]:
    return [whole_entry(entry)['name'] for entry in model_cfg.get('datasets') or ()]


def _check_known(names: Sequence[str], known: Sequence[str], what: str) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f'unknown dataset {name!r}; the {what} has {", ".join(known)}')


def _build(model_cfg: Mapping) -> nn.Module:
    return MODELS.build(inference_cfg(model_cfg)).eval()


def inference_cfg(model_cfg: Mapping) -> dict:
    """Return a model config without what is for training only: auxiliary heads and losses."""
    cfg = copy.deepcopy(model_cfg)
    cfg.pop('auxiliary_head', None)
    if 'datasets' in cfg:  # MMSegmentation's own heads may need their losses
        for key in ('sampler', 'sync_normalizer', 'dataset_weights'):
            cfg['decode_head'].pop(key, None)
        cfg['decode_head']['loss_decode'] = {'type': 'CrossEntropyLoss', 'avg_non_ignore': True}
    return cfg


def alone_cfg(model_cfg: Mapping, dataset: str) -> dict:
    """Return the config of the same network for one dataset, with ordinary batch norms."""
    cfg = _without_dsbn(copy.deepcopy(model_cfg))
    cfg['datasets'] = [entry for entry in cfg['datasets']
                       if whole_entry(entry)['name'] == dataset]
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


def used_rows(model: nn.Module, dataset: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return which rows of which parameters inference for a dataset uses.

    Returns:
        Parameters of dataset-specific batch norms, and those of the classifier: name -> bool
        [rows]. Other parameters are used as a whole, whatever the dataset.
    """
    norms, classifier = {}, {}
    for prefix, module in model.named_modules():
        if isinstance(module, UniSegHead):
            # Not its `dataset_rows`, which are those of the losses: they may need every row.
            used = torch.zeros(module.label_space.num_nodes, dtype=torch.bool)
            used[module.readout(dataset).rows] = True
            classifier.update({f'{prefix}.classifier.{name}': used
                               for name, p in module.classifier.named_parameters()
                               if len(p) == len(used)})
        elif isinstance(module, DSBN):
            norms.update({f'{prefix}.{name}': used
                          for name, used in module.dataset_rows([dataset]).items()})
    return norms, classifier


def count_parameters(model: nn.Module, dataset: str) -> Parameters:
    """Count the parameters that inference for a dataset uses.

    Args:
        model: A segmentor; one without datasets of its own has shared parameters only.
        dataset: Name of one of its datasets.
    """
    norms, classifier = used_rows(model, dataset)
    counts = {'shared': 0, 'norms': 0, 'classifier': 0}
    for name, parameter in model.named_parameters():
        if name in norms:
            counts['norms'] += parameter[norms[name]].numel()
        elif name in classifier:
            counts['classifier'] += parameter[classifier[name]].numel()
        else:
            counts['shared'] += parameter.numel()
    return Parameters(**counts)


class _OneDataset(nn.Module):
    """Takes images alone, as MMEngine's analysis wants: they are all of one dataset."""

    def __init__(self, model: nn.Module, dataset: str) -> None:
        super().__init__()
        self.model, self.dataset = model, dataset

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the dataset's logits."""
        sample = SegDataSample(metainfo={'dataset': self.dataset})
        return self.model(inputs, [sample] * len(inputs), mode='tensor')


def _inputs(model: nn.Module, dataset: str, shape: tuple[int, int]) -> Tensor:
    """An image of the given size after the model's own padding: [1, 3, H, W]."""
    sample = SegDataSample(metainfo={'dataset': dataset, 'ori_shape': shape, 'img_shape': shape})
    batch = {'inputs': [torch.zeros(3, *shape, dtype=torch.uint8)], 'data_samples': [sample]}
    inputs = model.data_preprocessor(batch, False)['inputs']
    # A preprocessor that does not normalise leaves a list of integers.
    return (inputs if isinstance(inputs, Tensor) else torch.stack(list(inputs))).float()


@torch.no_grad()
def _count(model: nn.Module, network: str, dataset: str, inputs: Tensor) -> Complexity:
    # The analyzer behind MMEngine's get_model_complexity_info. It traces the operators that run, so
    # DSBN, which calls torch's batch norm, needs no handle of its own.
    analyzer = FlopAnalyzer(_OneDataset(model, dataset), (inputs,))
    with _quiet():
        operators, uncounted = analyzer.by_operator(), analyzer.unsupported_ops()
    space = getattr(model, 'label_space', None)
    return Complexity(network, len(space.datasets) if space else 1,
                      count_parameters(model, dataset),
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


# ------------------------------------------------------------------------ writing


def format_comparisons(comparisons: Mapping[str, Comparison], shape: Sequence[int]) -> str:
    """Write a table, and say for which datasets both networks cost the same.

    Args:
        comparisons: What :func:`compare` returns.
        shape: Height and width that were asked for.
    """
    first = next(iter(comparisons.values()))
    seen = '' if first.shape == tuple(shape) else f' (padded to {first.shape[0]} x ' \
        f'{first.shape[1]})'
    table = PrettyTable(['dataset', 'network', 'parameters', 'shared', 'own norms',
                         'own classifier', 'GFLOPs'])
    table.align = 'r'
    table.align.update({'dataset': 'l', 'network': 'l'})
    for dataset, result in comparisons.items():
        for name, cost in ((dataset, result.together), ('', result.other)):
            split = [f'{count:,}' for count in cost.parameters]
            table.add_row([name, cost.network, f'{cost.parameters.total:,}',
                           *(split if cost.num_datasets > 1 else '---'),
                           f'{cost.flops / 1e9:.6f}'])
    lines = [f'one image of 3 x {shape[0]} x {shape[1]}{seen}', table.get_string(),
             'parameters: those that the dataset uses; without auxiliary heads',
             'GFLOPs: as MMEngine counts them, a multiply-add is one; without enlarging the logits',
             f'one network of {first.together.num_datasets} datasets: {first.whole:,} parameters'
             + _sum_alone(comparisons)]
    same = [dataset for dataset, result in comparisons.items() if result.same]
    if same:
        lines.append(f'{", ".join(same)}: the same number of parameters and FLOPs in both networks')
    lines += [f'{dataset}: not the same; {_differences(result)}'
              for dataset, result in comparisons.items() if not result.same]
    return '\n'.join(lines)


def _sum_alone(comparisons: Mapping[str, Comparison]) -> str:
    """What the networks of one dataset each have together, where there is one for every dataset."""
    results = list(comparisons.values())
    if len(results) < max(2, results[0].together.num_datasets) \
            or any(result.other.num_datasets > 1 for result in results):
        return ''
    total = sum(result.other.parameters.total for result in results)
    return f'; {len(results)} networks of one dataset: {total:,}'


def _differences(result: Comparison) -> str:
    """What the first network costs more, or less."""
    together, other = result.together, result.other
    parts = [f'{more:+,} FLOPs in {name}'
             for name, more in _more(together.operators, other.operators)]
    if together.parameters.total != other.parameters.total:
        parts.append(f'{together.parameters.total - other.parameters.total:+,} parameters')
    parts += [f'{more:+,} x {name} (FLOPs not counted)'
              for name, more in _more(together.uncounted, other.uncounted)]
    return ', '.join(parts)


def _more(first: Mapping[str, int], second: Mapping[str, int]) -> list[tuple[str, int]]:
    more = {name: first.get(name, 0) - second.get(name, 0) for name in sorted({*first, *second})}
    return [(name, count) for name, count in more.items() if count]
