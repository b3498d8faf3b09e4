"""What the nodes of a trained model are used for, with examples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from mmseg.models.utils import resize

from ..datasets import MultiDataset
from ..models import UNIFIED, MultiDatasetSegmentor
from .whole_images import check_max_images, embed, images_of


class Example(NamedTuple):
    """A part of an image where a node wins."""

    dataset: str
    #: RGB. Shape [S, S, 3], uint8.
    crop: np.ndarray
    #: Where the node wins. Shape [S, S], bool.
    mask: np.ndarray
    #: Pixels of the whole image.
    pixels: int


class LabelUsage(NamedTuple):
    """Counts and examples of all nodes."""

    #: Pixels on which each node wins, whatever their label, by dataset. [N] each.
    pixels: dict[str, np.ndarray]
    #: Of them those that are labelled as the node's class; 0 for nodes without one. [N] each.
    hits: dict[str, np.ndarray]
    #: Labelled pixels of each class, by dataset. [L] each.
    labelled: dict[str, np.ndarray]
    #: Examples of each node, those with most pixels first, of as many datasets as there are.
    examples: list[list[Example]]


@torch.no_grad()
def gather_usage(model: MultiDatasetSegmentor, images: MultiDataset, max_images: int | None = None,
                 examples: int = 4, size: int = 96, num_workers: int = 0) -> LabelUsage:
    """Predict all nodes on images, count, and cut out examples.

    Args:
        model: The model.
        images: Whole images with labels, of datasets that the model knows.
        max_images: Use so many images of each dataset. Default: all.
        examples: Examples for each node.
        size: Side of the examples in pixels.
        num_workers: Processes that load images.

    Raises:
        ValueError: ``max_images`` below 1.
    """
    check_max_images(max_images)
    head, count = model.decode_head, model.label_space.num_nodes
    pixels, hits, labelled = {}, {}, {}
    found: list[dict[str, list[Example]]] = [{} for _ in range(count)]
    for dataset in images.names:
        class_of_node = model.label_space.class_of_node(dataset)
        pixels[dataset] = np.zeros(count, dtype=np.int64)
        hits[dataset] = np.zeros(count, dtype=np.int64)
        labelled[dataset] = np.zeros(len(images.metainfo['datasets'][dataset]['classes']),
                                     dtype=np.int64)
        for one in images_of(model, images, dataset, max_images, num_workers):
            image = one.loaded.permute(1, 2, 0).numpy()[..., ::-1]  # OpenCV's order to RGB
            logits = resize(head.classify(embed(model, one), UNIFIED), size=one.inputs.shape[2:],
                            mode='bilinear', align_corners=head.align_corners)
            winner = logits.argmax(1)[0].cpu().numpy()[:image.shape[0], :image.shape[1]]
            labels = one.labels[0].cpu().numpy()[:image.shape[0], :image.shape[1]]
            labelled[dataset] += np.bincount(labels[labels != head.ignore_index],
                                             minlength=len(labelled[dataset]))
            won = np.bincount(winner.ravel(), minlength=count)
            pixels[dataset] += won
            hits[dataset] += np.bincount(winner[class_of_node[winner] == labels], minlength=count)
            for node in np.flatnonzero(won):
                best = found[node].setdefault(dataset, [])
                if len(best) < examples or won[node] > best[-1].pixels:
                    best.append(_example(dataset, image, winner == node, int(won[node]), size))
                    best.sort(key=lambda one: -one.pixels)
                    del best[examples:]
    return LabelUsage(pixels, hits, labelled,
                      [_mixed(by_dataset, examples) for by_dataset in found])


def _example(dataset: str, image: np.ndarray, mask: np.ndarray, pixels: int,
             size: int) -> Example:
    """Cut a square around the densest part of a mask."""
    import cv2
    side = min(size, *mask.shape)
    density = cv2.boxFilter(mask.astype(np.float32), -1, (side, side), normalize=False,
                            borderType=cv2.BORDER_CONSTANT)
    y, x = np.unravel_index(int(density.argmax()), mask.shape)
    top = int(np.clip(y - side // 2, 0, mask.shape[0] - side))
    left = int(np.clip(x - side // 2, 0, mask.shape[1] - side))
    part = slice(top, top + side), slice(left, left + side)
    return Example(dataset, np.ascontiguousarray(image[part]), mask[part].copy(), pixels)


def _mixed(by_dataset: dict[str, list[Example]], count: int) -> list[Example]:
    """Take examples of each dataset in turn."""
    taken: list[Example] = []
    for rank in range(count):
        taken += [best[rank] for best in by_dataset.values() if len(best) > rank]
    return taken[:count]
