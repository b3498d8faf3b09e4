"""Features of pixels, equally many of each class: what MDP's Figure 4 is drawn of."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..datasets import MultiDataset
from ..models import MultiDatasetPretrainer, MultiDatasetSegmentor
from .whole_images import WholeImage, check_max_images, embed, load_images, positions_of, told_of

#: The pixel embedding that the classifier sees, and the last stage of the backbone.
LAYERS = ('embedding', 'backbone')


class PixelClass(NamedTuple):
    """A class of a dataset."""

    dataset: str
    name: str
    #: RGB, of the dataset's palette.
    colour: tuple[int, int, int]


class PixelSample(NamedTuple):
    """P labelled pixels, equally many of each class of a dataset."""

    datasets: tuple[str, ...]
    #: By dataset, the most frequent first.
    classes: tuple[PixelClass, ...]
    #: Which of the classes each pixel is labelled as. Shape [P].
    class_ids: np.ndarray
    #: Where its image stands in the :class:`MultiDataset`. Shape [P].
    images: np.ndarray
    #: Row and column in the image as it is loaded. Shape [P, 2].
    places: np.ndarray
    #: Names of these images by position.
    image_names: dict[int, str]
    #: Classes with too few pixels, and how many there were: ``{'city/pole': 3}``.
    left_out: dict[str, int]

    @property
    def dataset_ids(self) -> np.ndarray:
        """Which of the datasets each pixel is of. Shape [P]."""
        own = np.array([self.datasets.index(c.dataset) for c in self.classes], dtype=np.int64)
        return own[self.class_ids]


# ----------------------------------------------------------------- what a model gives


@torch.no_grad()
def features_of(model: MultiDatasetSegmentor | MultiDatasetPretrainer, image: WholeImage,
                layer: str = 'embedding') -> Tensor:
    """Return a feature map of one image. All that is asked of a model is asked here.

    Args:
        model: In eval mode.
        image: Preprocessed image, which may be of a dataset that the model does not know.
        layer: ``'embedding'``: what the classifier, or a projection, sees, the paper's "last
            layer";
            ``'backbone'``: the last stage of the backbone.

    Shapes:
        - output: [D, h, w]; a cell covers ``H / h`` by ``W / w`` pixels of the input

    Raises:
        ValueError: Unknown ``layer``.
    """
    if layer not in LAYERS:
        raise ValueError(f'layer={layer!r}: allowed are {", ".join(LAYERS)}')
    if layer == 'embedding':
        return embed(model, image)[0]
    with told_of(model, image):
        return model.backbone(image.inputs)[-1][0]


# --------------------------------------------------------------------- which pixels


def cell_centres(cells: int, pixels: int) -> np.ndarray:
    """Return the pixel at the centre of each cell, where cells divide a row of pixels evenly.

    Shapes:
        - output: [cells], int64
    """
    return (2 * np.arange(cells) + 1) * pixels // (2 * cells)


def cells_at(pixels: np.ndarray, cells: int, size: int) -> np.ndarray:
    """Return which of the cells that divide a row of ``size`` pixels has each pixel."""
    return (2 * pixels + 1) * cells // (2 * size)


def cell_labels(image: WholeImage, shape: Sequence[int], ignore_index: int = 255) -> np.ndarray:
    """Return the label at the centre of each cell of a feature map.

    Labels may be larger or smaller than the image, as pipelines that do not resize them leave them.

    Args:
        image: Image with labels.
        shape: Height and width of the feature map.
        ignore_index: What cells in the padding get.

    Shapes:
        - output: [h, w]
    """
    at = []
    for axis, cells in enumerate(shape):
        padded, loaded = image.inputs.shape[2 + axis], image.loaded.shape[1 + axis]
        # Labels are padded by as many pixels as the image is.
        labelled = image.labels.shape[1 + axis] - (padded - loaded)
        centres = cell_centres(cells, padded)
        at.append(np.where(centres < loaded, cells_at(centres, labelled, loaded), -1))
    rows, columns = at
    labels = image.labels[0].cpu().numpy()[np.ix_(rows, columns)]
    return np.where((rows < 0)[:, None] | (columns < 0)[None], ignore_index, labels)


def choose_cells(maps: Sequence[np.ndarray], class_id: int, count: int,
                 rng: np.random.Generator) -> list[tuple[int, int]]:
    """Choose cells of a class at random, from as many label maps as possible.

    The maps take turns, in random order, until there are enough.

    Args:
        maps: Label maps, of any sizes.
        class_id: The class.
        count: Number of cells; all where there are fewer.
        rng: Random numbers.

    Returns:
        Number of the map and index into it, flattened.
    """
    found = [(i, cells) for i, m in enumerate(maps)
             if len(cells := np.flatnonzero(m == class_id))]
    turns = []
    for order, which in enumerate(rng.permutation(len(found))):
        i, cells = found[which]
        turns += [(turn, order, i, int(cell))
                  for turn, cell in enumerate(rng.permutation(cells)[:count])]
    return [(i, cell) for _, _, i, cell in sorted(turns)[:count]]


def sample_pixels(model: MultiDatasetSegmentor | MultiDatasetPretrainer, images: MultiDataset,
                  datasets: Sequence[str] | None = None, layer: str = 'embedding',
                  max_images: int | None = None, per_class: int = 40, num_classes: int = 8,
                  seed: int = 0, num_workers: int = 0) -> PixelSample:
    """Choose pixels at the resolution of a model's feature map, equally many of each class.

    Of each dataset the most frequent classes are taken that have enough labelled cells. What is
    chosen of a dataset does not depend on which others there are.

    Args:
        model: Model whose feature map divides the images into cells.
        images: Images with labels.
        datasets: Names. Default: all of the images.
        layer: See :func:`features_of`.
        max_images: Look at so many images of each dataset, evenly spread. Default: all.
        per_class: Pixels of each class.
        num_classes: Number of classes of each dataset.
        seed: Of the random numbers.
        num_workers: Processes that load images.

    Raises:
        ValueError: A number below 1; an unknown dataset; one without labelled pixels, or without a
            class that has enough of them.
    """
    check_max_images(max_images)
    for name, value in (('per_class', per_class), ('num_classes', num_classes)):
        if value < 1:
            raise ValueError(f'{name}={value}: at least 1 is needed')
    datasets = tuple(dict.fromkeys(datasets or images.names))
    unknown = [name for name in datasets if name not in images.names]
    if unknown:
        raise ValueError(f'unknown dataset {unknown[0]!r}; known: {", ".join(images.names)}')
    classes: list[PixelClass] = []
    chosen: list[tuple[int, int, int, int]] = []  # class, image, row, column
    names: dict[int, str] = {}
    left_out: dict[str, int] = {}
    for dataset in datasets:
        space = images.spaces[dataset]
        positions = positions_of(images, dataset, max_images)
        maps, centres = [], []
        shapes: dict[tuple, torch.Size] = {}  # of feature maps, by those of inputs
        for position, image in zip(positions, load_images(model, images, positions, num_workers)):
            size = tuple(image.inputs.shape[2:])
            if size not in shapes:
                shapes[size] = features_of(model, image, layer).shape[1:]
            names[position] = image.name
            maps.append(cell_labels(image, shapes[size], model.ignore_index))
            centres.append([cell_centres(n, s) for n, s in zip(shapes[size], size)])
        cells = np.concatenate([m.ravel() for m in maps])
        labelled = (cells < space.num_classes) & (cells != model.ignore_index)
        counts = np.bincount(cells[labelled], minlength=space.num_classes)
        order = np.argsort(-counts, kind='stable')[:num_classes]
        _check_counts(dataset, space.classes, counts, per_class, len(positions), maps[0].shape)
        rng = np.random.default_rng([seed, zlib.crc32(dataset.encode())])
        for class_id in order:
            if counts[class_id] < per_class:
                if counts[class_id]:
                    left_out[f'{dataset}/{space.classes[class_id]}'] = int(counts[class_id])
                continue
            for i, cell in choose_cells(maps, class_id, per_class, rng):
                row, column = np.unravel_index(cell, maps[i].shape)
                chosen.append((len(classes), positions[i], centres[i][0][row],
                               centres[i][1][column]))
            classes.append(PixelClass(dataset, space.classes[class_id], space.palette[class_id]))
    table = np.array(chosen, dtype=np.int64)
    return PixelSample(datasets, tuple(classes), table[:, 0], table[:, 1], table[:, 2:],
                       {i: names[i] for i in sorted(set(table[:, 1].tolist()))}, left_out)


def _check_counts(dataset: str, classes: Sequence[str], counts: np.ndarray, per_class: int,
                  num_images: int, shape: Sequence[int]) -> None:
    where = f'{num_images} image(s) of {dataset}, each seen as a feature map of {shape[0]} x ' \
            f'{shape[1]}'
    if not counts.any():
        raise ValueError(f'no labelled pixels in {where}; look at more images, or at another split')
    if counts.max() < per_class:
        raise ValueError(f'no class has {per_class} labelled pixels in {where}; the most frequent '
                         f'one is {classes[int(counts.argmax())]!r} with {counts.max()}. Look at '
                         'more images, or take fewer pixels per class')


# ---------------------------------------------------------------------- their features


def gather_features(model: MultiDatasetSegmentor | MultiDatasetPretrainer, images: MultiDataset,
                    sample: PixelSample, layer: str = 'embedding',
                    num_workers: int = 0) -> np.ndarray:
    """Return the features of sampled pixels, each divided by its L2 norm.

    Args:
        model: Any model; its feature map may have another resolution than that of the model that
            the pixels were chosen for.
        images: What they were chosen from.
        sample: The pixels.
        layer: See :func:`features_of`.
        num_workers: Processes that load images.

    Shapes:
        - output: [P, D], float32

    Raises:
        ValueError: Features are not finite.
    """
    features: list = [None] * len(sample.images)
    positions = sorted(sample.image_names)
    for position, image in zip(positions, load_images(model, images, positions, num_workers)):
        found = features_of(model, image, layer).float()  # [D, h, w]
        own = np.flatnonzero(sample.images == position)
        rows, columns = (cells_at(sample.places[own, axis], found.shape[1 + axis],
                                  image.inputs.shape[2 + axis]) for axis in (0, 1))
        vectors = F.normalize(found[:, torch.from_numpy(rows), torch.from_numpy(columns)].T)
        if not torch.isfinite(vectors).all():
            raise ValueError(f'features ({layer}) of image {image.name} of {image.dataset} are not '
                             'finite')
        for i, vector in zip(own, vectors.cpu().numpy()):
            features[i] = vector
    return np.stack(features)
