"""Distributions of batch norm statistics and filters over channels (CDCL, Figure 3b)."""

from __future__ import annotations

import difflib
import itertools
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.runner import CheckpointLoader
from prettytable import PrettyTable
from torch import Tensor

from .figures import COLOURS, save_figure, split_label

_MEAN_KEY = '.running_mean'

#: Quantiles of the channels that a panel shows; single channels far away would squeeze the rest.
_SHOWN = (0.005, 0.995)


class Run(NamedTuple):
    """A checkpoint to draw: its file, the user's label, a name for want of one, its tensors."""

    path: str
    label: str | None
    default: str
    state: Mapping[str, Tensor]


class NormStats(NamedTuple):
    """One batch norm of one checkpoint: name of the curve -> a value per channel, [C].

    ``filters`` holds the L2 norms of the filters of the convolution that feeds the layer; it is
    empty where none is found.
    """

    mean: dict[str, np.ndarray]
    var: dict[str, np.ndarray]
    filters: dict[str, np.ndarray]


class Distance(NamedTuple):
    """How far apart the running means of two curves are; see :func:`mean_distances`."""

    first: str
    second: str
    by_channel: float | None
    sorted: float | None


# ------------------------------------------------------------------------ reading


def load_runs(runs: Sequence[str | os.PathLike]) -> list[Run]:
    """Read checkpoints.

    Args:
        runs: ``LABEL=CHECKPOINT`` or a checkpoint each. Without a label the curves are named by
            dataset, or by the checkpoint's folder where it is not one of a single dataset.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no checkpoint, or has no batch norm with running statistics.
    """
    return [_load_run(run) for run in runs]


def _load_run(run: str | os.PathLike) -> Run:
    label, path = split_label(run)
    if not Path(path).is_file():
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    try:
        content = CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent')
    except Exception as error:  # whatever unpickling other files may raise
        raise ValueError(f'{path} cannot be read as a checkpoint: {error}') from error
    state = content.get('state_dict', content) if isinstance(content, Mapping) else None
    if state is None:
        raise ValueError(f'{path} holds a {type(content).__name__}; a state dict, or a checkpoint '
                         'with one, is needed')
    if not norm_layers(state):
        raise ValueError(f'{path} has no batch norm with running statistics')
    return Run(path, label, Path(path).absolute().parent.name, state)


def norm_layers(state: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the batch norms with running statistics, in the state dict's order."""
    return [key[:-len(_MEAN_KEY)] for key in state if key.endswith(_MEAN_KEY)]


def default_layers(layers: Sequence[str]) -> list[str]:
    """Return the first, the middle and the last batch norm of the backbone."""
    inside = [name for name in layers if name.startswith('backbone.')] or list(layers)
    return [inside[i] for i in sorted({0, (len(inside) - 1) // 2, len(inside) - 1})]


def select_layers(layers: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return the layers that are named, or found by a regular expression, in the network's order.

    Args:
        layers: Names of all layers.
        wanted: A layer's name, or an expression that is searched in the names, each.

    Raises:
        ValueError: An entry fits no layer; similar names are listed.
    """
    chosen: set[str] = set()
    for entry in wanted:
        try:
            found = [entry] if entry in layers else [n for n in layers if re.search(entry, n)]
        except re.error as error:
            raise ValueError(f'{entry!r} is no layer and no regular expression ({error}); --list '
                             'prints the layers') from error
        if not found:
            near = difflib.get_close_matches(entry, layers, n=3, cutoff=0.0)
            raise ValueError(f'{entry!r} fits no batch norm; similar: {", ".join(near)}; --list '
                             'prints all of them')
        chosen.update(found)
    return [name for name in layers if name in chosen]


def conv_of_norm(state: Mapping[str, Tensor], layer: str) -> str | None:
    """Find the convolution that feeds a batch norm, by the names that MMSegmentation gives.

    ``bn1`` belongs to ``conv1``, ``bn`` of a ``ConvModule`` to ``conv``, and a number to the
    nearest smaller one of a sequence that has weights (``downsample.1`` to ``downsample.0``).

    Returns:
        Its name; ``None`` where no such convolution has a filter per channel of the batch norm.
    """
    prefix, _, own = layer.rpartition('.')
    if own.isdecimal():
        names = [str(i) for i in range(int(own) - 1, -1, -1)]
    else:
        names = [re.sub('bn|norm', 'conv', own)]
    channels = state[layer + _MEAN_KEY].shape[-1]
    for name in names:
        name = f'{prefix}.{name}' if prefix else name
        weight = state.get(f'{name}.weight')
        if name != layer and weight is not None:  # activations and pooling have none
            return name if weight.dim() == 4 and len(weight) == channels else None
    return None


def read_norm_stats(state: Mapping[str, Tensor], layer: str, label: str | None = None,
                    default: str = 'run') -> NormStats:
    """Read one batch norm, ordinary or dataset-specific, and the filters before it.

    Args:
        state: State dict of a model.
        layer: Name of the batch norm.
        label: Name of the run in the curves' names.
        default: Name of the curve of an ordinary batch norm that is not of a single dataset.
    """
    mean, var = (_as_array(state[f'{layer}.{key}']) for key in ('running_mean', 'running_var'))
    datasets = _json_bytes(state.get(f'{layer}.dataset_names'))
    trained_on = [d['name'] for d in (_json_bytes(state.get('label_space_json')) or {}).get(
        'datasets', ())]
    if datasets is not None and mean.ndim == 2:
        names, of_filters = datasets, 'shared filters'
    elif datasets is not None:  # the datasets have affine parameters of their own only
        names, mean, var, of_filters = ['all datasets'], mean[None], var[None], 'all datasets'
    else:
        own = label or (trained_on[0] if len(trained_on) == 1 else default)
        names, mean, var, of_filters, label = [own], mean[None], var[None], own, None
    if len(names) == 1:
        of_filters = names[0]
    named = {name: f'{label}: {name}' if label else name for name in (*names, of_filters)}
    conv = conv_of_norm(state, layer)
    filters = {}
    if conv is not None:
        weight = _as_array(state[f'{conv}.weight'])
        filters[named[of_filters]] = np.sqrt((weight ** 2).sum(axis=(1, 2, 3)))
    return NormStats({named[n]: row for n, row in zip(names, mean)},
                     {named[n]: row for n, row in zip(names, var)}, filters)


def collect(runs: Sequence[Run], layers: Sequence[str]) -> dict[str, list[NormStats]]:
    """Read the layers of all runs: layer -> what each run has.

    Raises:
        ValueError: A run lacks a layer, or curves of two runs have the same name.
    """
    collected: dict[str, list[NormStats]] = {}
    for layer in layers:
        stats = []
        for run in runs:
            if layer + _MEAN_KEY not in run.state:
                raise ValueError(f'{run.path} has no batch norm {layer}; choose layers that all '
                                 'checkpoints have (--list prints them)')
            stats.append(read_norm_stats(run.state, layer, run.label, run.default))
        names = [name for s in stats for name in {**s.mean, **s.filters}]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f'two curves are named {twice[0]!r}; give the runs labels: '
                             'LABEL=CHECKPOINT')
        collected[layer] = stats
    return collected


def _as_array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()


def _json_bytes(tensor: Tensor | None):
    return None if tensor is None else json.loads(bytes(tensor.cpu().tolist()).decode())


# ---------------------------------------------------------------------- comparing


def mean_distances(stats: Sequence[NormStats]) -> list[Distance]:
    """Compare the running means of all curves of one layer, pair by pair.

    ``by_channel`` is the mean over channels of ``|mean_a - mean_b| / sqrt((var_a + var_b) / 2)``;
    only for datasets of one checkpoint, as channels of separately trained networks do not
    correspond. ``sorted`` compares the distributions: the mean difference of the sorted running
    means, over the square root of the mean variance of both. Both are ``None`` for layers of
    different width.
    """
    curves = [(name, mean, s.var[name], i) for i, s in enumerate(stats)
              for name, mean in s.mean.items()]
    distances = []
    for (first, mean_a, var_a, i), (second, mean_b, var_b, j) in itertools.combinations(curves, 2):
        by_channel = by_rank = None
        if len(mean_a) == len(mean_b):
            pooled = np.maximum((var_a + var_b) / 2, np.finfo(np.float32).tiny)  # [C]
            by_rank = float(np.abs(np.sort(mean_a) - np.sort(mean_b)).mean()
                            / np.sqrt(pooled.mean()))
            if i == j:
                by_channel = float((np.abs(mean_a - mean_b) / np.sqrt(pooled)).mean())
        distances.append(Distance(first, second, by_channel, by_rank))
    return distances


def format_distances(collected: Mapping[str, Sequence[NormStats]]) -> str:
    """Write the distances of :func:`mean_distances` as a table, with what the columns mean."""
    table = PrettyTable(['layer', 'curves', 'same channel', 'sorted'])
    table.align.update({'layer': 'l', 'curves': 'l', 'same channel': 'r', 'sorted': 'r'})
    for layer, stats in collected.items():
        for i, pair in enumerate(mean_distances(stats)):
            table.add_row([layer if i == 0 else '', f'{pair.first} - {pair.second}',
                           _cell(pair.by_channel), _cell(pair.sorted)])
    if not table.rows:
        return 'one curve per layer: no distances'
    return '\n'.join([
        'distance of running means in units of the pooled standard deviation',
        table.get_string(),
        'same channel: mean over channels (of one network: - between checkpoints)',
        'sorted: between the distributions over channels'])


def _cell(value: float | None) -> str:
    return '-' if value is None else f'{value:.3f}'


# ------------------------------------------------------------------------ drawing


def density(values: np.ndarray, grid: np.ndarray, bandwidth: float) -> np.ndarray:
    """Estimate a density with Gaussian kernels.

    Shapes:
        - values: [C]; grid: [G]; output: [G]
    """
    z = (grid[:, None] - values[None]) / bandwidth  # [G, C]
    return np.exp(-0.5 * z ** 2).mean(axis=1) / (bandwidth * np.sqrt(2 * np.pi))


def panel_densities(curves: Mapping[str, np.ndarray],
                    log: bool = False) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Estimate the densities of one panel's curves on a common grid, with a common bandwidth.

    Args:
        curves: Values per channel by curve, each [C].
        log: Densities of the decimal logarithms; values of zero become a hundred-millionth of the
            largest one.

    Returns:
        The grid [G], in the units of the values, and a density [G] per curve.
    """
    pooled = np.concatenate(list(curves.values()))
    if log:
        floor = max(pooled.max() * 1e-8, np.finfo(np.float32).tiny)
        curves = {name: np.log10(np.maximum(v, floor)) for name, v in curves.items()}
        pooled = np.concatenate(list(curves.values()))
    low, high = np.quantile(pooled, _SHOWN)
    span = (high - low) or max(abs(high), 1.0)
    widths = [0.9 * _spread(values) * len(values) ** -0.2 for values in curves.values()]
    bandwidth = max(float(np.mean(widths)), span / 100)
    grid = np.linspace(low - 3 * bandwidth, high + 3 * bandwidth, 400)
    densities = {name: density(v, grid, bandwidth) for name, v in curves.items()}
    return (10.0 ** grid if log else grid), densities


def _spread(values: np.ndarray) -> float:
    """Silverman's robust standard deviation."""
    quarter, three_quarters = np.quantile(values, (0.25, 0.75))
    return min(float(values.std()), float(three_quarters - quarter) / 1.34)


def log_ticks(low: float, high: float) -> list[float]:
    """Return two to eight round numbers between two positive ones, for a logarithmic axis."""
    from matplotlib.ticker import MaxNLocator

    if high < 10 * low:
        ticks = MaxNLocator(5).tick_values(low, high).tolist()
    else:
        decades = range(int(np.floor(np.log10(low))), int(np.floor(np.log10(high))) + 1)
        every = len(decades) // 6 + 1
        ticks = [float(f'{digit}e{decade}') for decade in decades[::every]
                 for digit in ((1, 2, 5) if high < 200 * low else (1,))]
    return [tick for tick in ticks if low <= tick <= high]


def draw_norm_stats(collected: Mapping[str, Sequence[NormStats]],
                    path: str | os.PathLike) -> None:
    """Draw running means, running variances and filter norms: a column per layer.

    Args:
        collected: What :func:`collect` returns.
        path: File to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    rows = (('running mean', 'mean', False), ('running variance, log axis', 'var', True),
            ('L2 norm of filters', 'filters', False))
    styles = _styles(collected)
    figure = Figure(figsize=(1.0 + 2.9 * len(collected), 6.6), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(3, len(collected), squeeze=False)
    for column, (layer, stats) in enumerate(collected.items()):
        axes[0, column].set_title(_two_lines(layer), fontsize=9)
        for row, (title, what, log) in enumerate(rows):
            axis = axes[row, column]
            axis.tick_params(labelsize=7)
            axis.set_yticks([])
            for side in ('top', 'right', 'left'):
                axis.spines[side].set_visible(False)
            if column == 0:
                axis.set_ylabel(f'{title}\n(density over channels)', fontsize=9)
            curves = {name: v for s in stats for name, v in getattr(s, what).items()}
            if not curves:
                axis.set_xticks([])
                axis.text(0.5, 0.5, 'no convolution found', ha='center', va='center', fontsize=8,
                          color='0.4', transform=axis.transAxes)
                continue
            grid, densities = panel_densities(curves, log)
            for name, values in densities.items():
                axis.plot(grid, values, linewidth=1.5, **styles[name])
                axis.fill_between(grid, values, alpha=0.12, linewidth=0,
                                  color=styles[name]['color'])
            if log:
                axis.set_xscale('log')
                ticks = log_ticks(grid[0], grid[-1])
                axis.set_xticks(ticks, labels=[f'{tick:g}' for tick in ticks])
                axis.set_xticks([], minor=True)
            else:
                axis.locator_params(axis='x', nbins=5)
            axis.set_xlim(grid[0], grid[-1])
            axis.set_ylim(bottom=0)
    figure.legend(handles=[Line2D([], [], label=name, **style) for name, style in styles.items()],
                  loc='outside upper center', ncols=min(len(styles), 1 + len(collected)),
                  fontsize=9, frameon=False)
    save_figure(figure, path)


def _styles(collected: Mapping[str, Sequence[NormStats]]) -> dict[str, dict]:
    """Colours by curve: a curve that is of filters alone is of no one dataset, hence dashed."""
    first = next(iter(collected.values()))
    means = [name for s in first for name in s.mean]
    others = [n for stats in collected.values() for s in stats for n in s.filters if n not in means]
    styles = {name: {'color': COLOURS[i % len(COLOURS)],
                     'linestyle': '-' if i < len(COLOURS) else '-.'}
              for i, name in enumerate(means)}
    for i, name in enumerate(dict.fromkeys(others)):
        # On top: another run's filters may hardly differ.
        styles[name] = {'color': ('0.25', '0.55', '0.75')[i % 3], 'linestyle': '--', 'zorder': 3}
    return styles


def _two_lines(name: str) -> str:
    """Break a long layer name at the dot nearest to its middle."""
    dots = [i for i, letter in enumerate(name) if letter == '.']
    if len(name) <= 26 or not dots:
        return name
    middle = min(dots, key=lambda i: abs(i - len(name) / 2))
    return f'{name[:middle + 1]}\n{name[middle + 1:]}'
