"""What the nodes of a trained model are used for, with examples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmseg.models.utils import resize

from ..datasets import MultiDataset
from ..models import UNIFIED, MultiDatasetSegmentor


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

    #: Pixels on which each node wins, by dataset. [N] each.
    pixels: dict[str, np.ndarray]
    #: Labelled pixels of each class, by dataset. [L] each.
    labelled: dict[str, np.ndarray]
    #: Examples of each node, those with most pixels first, of as many datasets as there are.
    examples: list[list[Example]]


@torch.no_grad()
def gather_usage(model: MultiDatasetSegmentor, images: MultiDataset, max_images: int | None = None,
                 examples: int = 4, size: int = 96) -> LabelUsage:
    """Predict all nodes on images, count, and cut out examples.

    Args:
        model: The model.
        images: Whole images with labels.
        max_images: Use so many images of each dataset. Default: all.
        examples: Examples for each node.
        size: Side of the examples in pixels.

    Raises:
        ValueError: ``max_images`` below 1.
    """
    if max_images is not None and max_images < 1:
        raise ValueError(f'max_images={max_images}: at least 1 is needed')
    head, count = model.decode_head, model.label_space.num_nodes
    pixels, labelled = {}, {}
    found: list[dict[str, list[Example]]] = [{} for _ in range(count)]
    start = 0
    for dataset in images.names:
        total = images.sizes[dataset]
        used = total if max_images is None else min(total, max_images)
        pixels[dataset] = np.zeros(count, dtype=np.int64)
        labelled[dataset] = np.zeros(len(images.metainfo['datasets'][dataset]['classes']),
                                     dtype=np.int64)
        for i in range(used):
            data = pseudo_collate([images[start + i * total // used]])
            image = data['inputs'][0].permute(1, 2, 0).numpy()[..., ::-1]  # OpenCV's order to RGB
            data = model.data_preprocessor(data, True)
            names = [dataset] if dataset in model.label_space.datasets else None
            with model.context.batch(names, UNIFIED,
                                     None if names else model.norm_of_unknown(data['inputs'])):
                embedding = head.head(model.extract_feat(data['inputs']))
            logits = resize(head.classify(embedding, UNIFIED), size=data['inputs'].shape[2:],
                            mode='bilinear', align_corners=head.align_corners)
            winner = logits.argmax(1)[0].cpu().numpy()[:image.shape[0], :image.shape[1]]
            labels = data['data_samples'][0].gt_sem_seg.data.cpu().numpy().ravel()
            labelled[dataset] += np.bincount(labels[labels != head.ignore_index],
                                             minlength=len(labelled[dataset]))
            won = np.bincount(winner.ravel(), minlength=count)
            pixels[dataset] += won
            for node in np.flatnonzero(won):
                best = found[node].setdefault(dataset, [])
                if len(best) < examples or won[node] > best[-1].pixels:
                    best.append(_example(dataset, image, winner == node, int(won[node]), size))
                    best.sort(key=lambda one: -one.pixels)
                    del best[examples:]
        start += total
    return LabelUsage(pixels, labelled, [_mixed(by_dataset, examples) for by_dataset in found])


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
