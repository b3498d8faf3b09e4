"""Pixel features in the plane by t-SNE (MDP, Figure 4), and numbers that judge the picture."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Optional

import numpy as np
from prettytable import PrettyTable

from ..label_spaces.names import normalise_name
from .figures import save_figure

if TYPE_CHECKING:
    from ..apis.pixel_features import PixelClass, PixelSample

#: Markers of the datasets, for matplotlib; the page draws the same ones.
MARKERS = ('o', '^', 's', 'D', 'P', 'v', 'X', '*')

#: Neighbours that vote.
NEIGHBOURS = 10

#: What the numbers mean, for whoever sees the picture.
MEANING = (f'kNN: share of pixels whose class is that of most of the {NEIGHBOURS} nearest pixels '
           'in other images of the dataset. Across datasets: the same by class name, with the '
           'pixels of all other datasets, for classes that have a namesake there. Silhouette: '
           'within each dataset. All by cosines of the features themselves, not of what is drawn.')

# In inches: height of a line of the legend, width of a column of it.
_LINE, _LEGEND = 0.14, 1.55


class FeatureScores(NamedTuple):
    """How far classes are apart in the space of the features; ``None`` where not defined."""

    #: Accuracy of the nearest neighbours, from 0 to 1.
    knn: Optional[float]  # noqa: UP007, UP045 (evaluated on Python 3.9)
    across: Optional[float]  # noqa: UP007, UP045
    #: Mean silhouette, from -1 to 1.
    silhouette: Optional[float]  # noqa: UP007, UP045
    #: What guessing would give for ``knn``.
    chance: float

    def __str__(self) -> str:
        parts = [f'{name} {100 * value:.1f} %' for name, value in
                 (('kNN', self.knn), ('across datasets', self.across)) if value is not None]
        if self.silhouette is not None:
            parts.append(f'silhouette {self.silhouette:.2f}')
        return ', '.join(parts)


class FeaturePanel(NamedTuple):
    """One model."""

    label: str
    #: Places in the plane. Shape [P, 2].
    points: np.ndarray
    #: Of all datasets together.
    scores: FeatureScores
    by_dataset: dict[str, FeatureScores]


# ------------------------------------------------------------------------ judging


def vote(similarity: np.ndarray, allowed: np.ndarray, labels: np.ndarray,
         neighbours: int = NEIGHBOURS) -> np.ndarray:
    """Predict labels by the nearest neighbours; of tied ones that whose ranks are lower.

    Shapes:
        - similarity: [A, P]; allowed: [A, P], bool; labels: [P]; output: [A], -1 for none allowed
    """
    neighbours = min(neighbours, similarity.shape[1])
    similarity = np.where(allowed, similarity, -np.inf)
    nearest = np.argsort(-similarity, axis=1, kind='stable')[:, :neighbours]  # [A, n]
    # The first of n neighbours outweighs the last by less than a vote in all.
    weights = 1 + np.linspace(1, 0, neighbours) / (2 * neighbours)  # [n]
    weights = np.where(np.take_along_axis(allowed, nearest, axis=1), weights, 0.0)
    votes = np.zeros((len(similarity), int(labels.max()) + 1))
    np.add.at(votes, (np.arange(len(votes))[:, None], labels[nearest]), weights)
    return np.where(votes.any(axis=1), votes.argmax(axis=1), -1)


def score_features(features: np.ndarray, sample: PixelSample) -> dict[str | None, FeatureScores]:
    """Judge how far the classes are apart, by dataset and, under ``None``, in all.

    Pixels of one image resemble each other whatever they show, so neighbours are looked for in
    other images.

    Args:
        features: Of unit length. Shape [P, D].
        sample: The pixels.
    """
    cosines = features @ features.T  # [P, P]
    other_image = sample.images[:, None] != sample.images[None]
    dataset_ids = sample.dataset_ids
    same_dataset = dataset_ids[:, None] == dataset_ids[None]
    right = vote(cosines, same_dataset & other_image, sample.class_ids) == sample.class_ids
    _, name_of_class = np.unique([normalise_name(c.name) for c in sample.classes],
                                 return_inverse=True)
    names = name_of_class[sample.class_ids]
    right_across = vote(cosines, ~same_dataset, names) == names
    has_namesake = ((names[:, None] == names[None]) & ~same_dataset).any(axis=1)
    silhouettes = _silhouettes(features, sample.class_ids, dataset_ids)
    scores = {}
    for dataset in (None, *sample.datasets):
        own = np.ones(len(names), bool) if dataset is None else \
            dataset_ids == sample.datasets.index(dataset)
        sizes = [sum(c.dataset == d for c in sample.classes) for d in sample.datasets]
        scores[dataset] = FeatureScores(
            _mean(right[own]), _mean(right_across[own & has_namesake]),
            _mean(silhouettes[own & ~np.isnan(silhouettes)]),
            float(np.mean(1 / np.array(sizes)[dataset_ids[own]])))
    return scores


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if values.size else None


def _silhouettes(features: np.ndarray, class_ids: np.ndarray,
                 dataset_ids: np.ndarray) -> np.ndarray:
    from sklearn.metrics import silhouette_samples
    values = np.full(len(features), np.nan)
    for dataset in np.unique(dataset_ids):
        own = dataset_ids == dataset
        if 2 <= len(np.unique(class_ids[own])) < own.sum():
            values[own] = silhouette_samples(features[own], class_ids[own], metric='cosine')
    return values


def format_scores(panels: Sequence[FeaturePanel]) -> str:
    """Write the scores as a table, with what the columns mean."""
    table = PrettyTable(['model', 'dataset', 'kNN', 'chance', 'across', 'silhouette'])
    table.align = 'r'
    table.align.update({'model': 'l', 'dataset': 'l'})
    for panel in panels:
        rows = {**panel.by_dataset, **({'all': panel.scores} if len(panel.by_dataset) > 1 else {})}
        for i, (dataset, score) in enumerate(rows.items()):
            table.add_row([panel.label if i == 0 else '', dataset, _percent(score.knn),
                           _percent(score.chance), _percent(score.across),
                           '-' if score.silhouette is None else f'{score.silhouette:.3f}'])
    return f'{table}\n{MEANING}'


def _percent(value: float | None) -> str:
    return '-' if value is None else f'{100 * value:.1f}'


# ---------------------------------------------------------------------- arranging


def check_perplexity(perplexity: float, num_points: int) -> None:
    """Refuse a perplexity that there are too few points for.

    Raises:
        ValueError: It is not above 0, or there are no three times as many points.
    """
    if not perplexity > 0:
        raise ValueError(f'perplexity={perplexity:g}: a number above 0 is needed')
    # The conditional distributions are cut off at three times the perplexity.
    needed = int(3 * perplexity) + 2
    if num_points < needed:
        raise ValueError(f'perplexity={perplexity:g} needs at least {needed} points (three times '
                         f'as many neighbours), there are {num_points}; take more pixels or '
                         f'classes, or a perplexity of at most {(num_points - 2) / 3:.0f}')


def tsne(features: np.ndarray, perplexity: float = 30.0, seed: int = 0) -> np.ndarray:
    """Place features in the plane by t-SNE, from their first two principal components on.

    The same features and seed give the same places, whatever the number of threads.

    Shapes:
        - features: [P, D]; output: [P, 2], float32

    Raises:
        ValueError: As :func:`check_perplexity`.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    check_perplexity(perplexity, len(features))
    # Sums of several threads depend on which is done first.
    with threadpool_limits(1):
        method = TSNE(2, perplexity=perplexity, init='pca', learning_rate='auto',
                      random_state=seed)
        return method.fit_transform(np.ascontiguousarray(features, dtype=np.float32))


def make_panel(label: str, features: np.ndarray, sample: PixelSample, perplexity: float = 30.0,
               seed: int = 0) -> FeaturePanel:
    """Place the pixels of one model in the plane, and judge their features."""
    scores = score_features(features, sample)
    overall = scores.pop(None)
    return FeaturePanel(label, tsne(features, perplexity, seed), overall, scores)


# ------------------------------------------------------------------------ colours


def class_colours(classes: Sequence[PixelClass]) -> list[str]:
    """Return a colour per class, ``'#rrggbb'``: near to its palette's, but told apart from others.

    Classes of one name have one colour, that of the first of them. All colours can be seen on a
    light and on a dark ground. Colours as far apart as can be had for all are looked for.
    """
    names = list(dict.fromkeys(normalise_name(c.name) for c in classes))
    wanted = {normalise_name(c.name): c.colour for c in reversed(classes)}
    levels = np.linspace(0, 255, 18).round()
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing='ij'), -1).reshape(-1, 3)
    lab = oklab(grid)  # [G, 3]
    visible = (lab[:, 0] > 0.52) & (lab[:, 0] < 0.78)
    grid, lab = grid[visible], lab[visible]
    targets = oklab(np.array([wanted[name] for name in names], dtype=float))
    least = 0.3
    while True:
        chosen: list[int] = []
        nearest = np.full(len(lab), np.inf)  # distance to what is chosen
        for target in targets:
            # Hue and saturation count more than lightness, which had to change anyhow.
            distance = (((lab - target) * (0.5, 1, 1)) ** 2).sum(1)
            distance[nearest < least] = np.inf
            best = int(distance.argmin())
            if not np.isfinite(distance[best]):
                break
            chosen.append(best)
            nearest = np.minimum(nearest, np.linalg.norm(lab - lab[best], axis=1))
        else:
            break
        least *= 0.9
    colour = {name: '#{:02x}{:02x}{:02x}'.format(*grid[i].astype(int))
              for name, i in zip(names, chosen)}
    return [colour[normalise_name(c.name)] for c in classes]


def oklab(colours: np.ndarray) -> np.ndarray:
    """Turn RGB colours into Oklab, where distances are those that are seen (Ottosson, 2020).

    Shapes:
        - colours: [C, 3], from 0 to 255; output: [C, 3], lightness from 0 to 1
    """
    srgb = np.asarray(colours, dtype=float) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    cones = np.cbrt(linear @ np.array([[0.4122214708, 0.2119034982, 0.0883024619],
                                       [0.5363325363, 0.6806995451, 0.2817188376],
                                       [0.0514459929, 0.1073969566, 0.6299787005]]))
    return cones @ np.array([[0.2104542553, 1.9779984951, 0.0259040371],
                             [0.7936177850, -2.4285922050, 0.7827717662],
                             [-0.0040720468, 0.4505937099, -0.8086757660]])


# ------------------------------------------------------------------------ drawing


def draw_features(panels: Sequence[FeaturePanel], sample: PixelSample, path: str | os.PathLike,
                  caption: str = '') -> None:
    """Draw a panel per model: a colour per class name, a marker per dataset.

    Args:
        panels: The models.
        sample: The pixels.
        path: File to write (.png, .pdf, .svg).
        caption: Line below.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    across = 2 if len(panels) == 4 else min(len(panels), 3)
    down = -(-len(panels) // across)
    # In inches, placed by hand: square panels and automatic layouts do not get along.
    side, title, gap = (4.4 if across > 1 else 5.2), 0.52, 0.14
    colours = class_colours(sample.classes)
    columns = _legend_columns(sample, int(((side + title) * down - 0.2) / _LINE))
    width = across * (side + gap) + gap + _LEGEND * len(columns)
    lines = textwrap.wrap(caption, int(width / 0.066))
    foot = 0.12 + 0.15 * len(lines)
    height = foot + (side + title) * down
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    # Drawn in random order, so that no dataset covers the others.
    order = np.random.default_rng(0).permutation(len(sample.class_ids))
    for i, panel in enumerate(panels):
        left = gap + i % across * (side + gap)
        bottom = height - (i // across + 1) * (side + title)
        axis = figure.add_axes((left / width, bottom / height, side / width, side / height))
        axis.set_title(_plain(panel.label), fontsize=11, pad=18)
        axis.text(0.5, 1.015, str(panel.scores), ha='center', va='bottom', fontsize=8.5,
                  color='0.35', transform=axis.transAxes)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_color('0.8')
        _scatter(axis, panel.points, sample, colours, order)
    left = across * (side + gap) + gap
    legend = figure.add_axes((left / width, 0, 1 - left / width, 1 - 0.2 / height))
    legend.axis('off')
    _draw_legends(legend, columns, sample, colours)
    figure.text(gap / width, 0.06 / height, '\n'.join(map(_plain, lines)), fontsize=8, color='0.35',
                va='bottom')
    save_figure(figure, path)


def _scatter(axis, points: np.ndarray, sample: PixelSample, colours: Sequence[str],
             order: np.ndarray) -> None:
    dataset_ids = sample.dataset_ids
    for start in range(0, len(order), 25):  # a scatter has one marker: hence in portions
        portion = order[start:start + 25]
        for d in range(len(sample.datasets)):
            own = portion[dataset_ids[portion] == d]
            axis.scatter(points[own, 0], points[own, 1], marker=MARKERS[d % len(MARKERS)],
                         s=15, c=[colours[c] for c in sample.class_ids[own]], alpha=0.85,
                         linewidths=0.25, edgecolors='white', zorder=2 + start / len(order))
    low, high = points.min(axis=0), points.max(axis=0)
    half = 0.53 * float((high - low).max()) or 1.0  # as far to each side: distances stay true
    for limit, middle in zip((axis.set_xlim, axis.set_ylim), (low + high) / 2):
        limit(middle - half, middle + half)


def _legend_columns(sample: PixelSample, most: int) -> list[list[int]]:
    """Put datasets into columns of at most so many lines; one that is longer stands alone."""
    columns: list[list[int]] = []
    used = most
    for d, dataset in enumerate(sample.datasets):
        lines = 2 + sum(c.dataset == dataset for c in sample.classes)
        if used + lines > most:
            columns.append([])
            used = 0
        columns[-1].append(d)
        used += lines
    return columns


def _draw_legends(axis, columns: Sequence[Sequence[int]], sample: PixelSample,
                  colours: Sequence[str]) -> None:
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D

    for i, column in enumerate(columns):
        handles = []
        for d in column:
            marker = MARKERS[d % len(MARKERS)]
            if handles:
                handles.append(Line2D([], [], linestyle='', label=' '))
            handles.append(Line2D([], [], linestyle='', marker=marker, markersize=5.5, label='',
                                  color='0.25'))
            handles[-1].set_label(_plain(sample.datasets[d]))
            handles += [Line2D([], [], linestyle='', marker=marker, markersize=5.5,
                               color=colour, label=_plain(_shortened(c.name)))
                        for c, colour in zip(sample.classes, colours)
                        if c.dataset == sample.datasets[d]]
        legend = Legend(axis, handles, [handle.get_label() for handle in handles],
                        loc='upper left', bbox_to_anchor=(i / len(columns), 1.0), fontsize=7.5,
                        frameon=False, handlelength=1.0, handletextpad=0.5, borderaxespad=0,
                        labelspacing=0.3)
        for text, handle in zip(legend.get_texts(), handles):
            if handle.get_color() == '0.25':
                text.set_weight('bold')
        axis.add_artist(legend)


def _shortened(name: str, most: int = 20) -> str:
    return name if len(name) <= most else f'{name[:most - 1]}\u2026'


def _plain(name: str) -> str:
    """Keep matplotlib from reading formulas, and from hiding names that begin with ``_``."""
    return f'{" " * name.startswith("_")}{name}'.replace('$', r'\$')
