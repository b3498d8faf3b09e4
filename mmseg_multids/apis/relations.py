"""Gathering class relations from a trained model (UniSeg, Eq. 7)."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import torch
from mmengine.dist import all_reduce
from mmengine.logging import print_log
from torch import Tensor

from ..datasets import MultiDataset
from ..functional import add_class_similarities
from ..label_spaces import ClassRelations, UnifiedLabelSpace, unify_disjoint
from ..models import CosineNodeClassifier, MultiDatasetSegmentor, classifier_in_use
from .whole_images import check_max_images, embed, images_of

SIMILARITIES = ('cosine', 'sigmoid')
HEADS = 'heads'


def check_similarity(model: MultiDatasetSegmentor, similarity: str) -> None:
    """Refuse a similarity that a model does not have; errors as :func:`gather_relations`."""
    if similarity not in SIMILARITIES:
        raise ValueError(f'similarity={similarity!r}: allowed are {", ".join(SIMILARITIES)}')
    classifier = classifier_in_use(model.decode_head.classifier)
    if similarity == 'cosine' and not isinstance(classifier, CosineNodeClassifier):
        raise TypeError(f"similarity='cosine' needs a CosineNodeClassifier, the model has a "
                        f"{type(classifier).__name__}; use it, or similarity='sigmoid'")


@torch.no_grad()
def gather_relations(model: MultiDatasetSegmentor, images: MultiDataset,
                     similarity: str = 'cosine', tau: float | None = None,
                     max_images: int | None = None, about: dict[str, str] | None = None,
                     num_workers: int = 0) -> ClassRelations:
    """Average the similarity of each class's pixels to every node, in one pass over the images.

    Several processes share the images and add up their sums; all return the same relations.

    Args:
        model: Trained with a loss that is no softmax (Appendix C).
        images: Training images; see :func:`.whole_images.training_images`.
        similarity: ``'cosine'``: of the cosine classifier, without its scale t; ``'sigmoid'``: of
            the logits.
        tau: Threshold of the relations. Default: the paper's automatic one.
        max_images: Use so many images of each dataset, evenly spread.
        about: Kept with the relations.
        num_workers: Processes that load images.

    Raises:
        TypeError: ``'cosine'`` without a :class:`CosineNodeClassifier`.
        ValueError: Unknown ``similarity``; the images' datasets are not those of the model; a class
            with several nodes.
    """
    check_similarity(model, similarity)
    if model.decode_head.activation != 'sigmoid':
        print_log('the model was trained with a softmax, which makes classes exclude each other; '
                  'class relations need one that was trained with NullBCELoss', logger='current',
                  level=logging.WARNING)
    classifier = classifier_in_use(model.decode_head.classifier)
    scores, counts = _means(
        model, images, classifier.similarity if similarity == 'cosine'
        else lambda embedding: classifier(embedding).sigmoid(), max_images, num_workers)
    return ClassRelations(model.label_space, scores, counts, tau,
                          {'similarity': similarity, **(about or {})})


@torch.no_grad()
def gather_head_relations(model: MultiDatasetSegmentor, images: MultiDataset,
                          label_space: UnifiedLabelSpace, tau: float | None = None,
                          max_images: int | None = None, about: dict[str, str] | None = None,
                          num_workers: int = 0) -> ClassRelations:
    """Find relations by asking each head of a multi-head model about the other datasets' images.

    The score of a class for a node is the mean probability that the head of another dataset gives
    the node's class on the class's pixels. Heads of datasets that have the class themselves are not
    asked: to them it is that class. Where several heads have the node, the surest counts. This is
    not the paper's Eq. (7), but it is not told apart from a class by that class's own labels: a
    dataset that labels lane markings and road teaches a shared classifier that one is not the
    other, whatever the other datasets call road.

    Args:
        model: Trained with a classifier for each dataset (``label_space=dict(type='disjoint')``).
        images: Training images; see :func:`.whole_images.training_images`.
        label_space: Nodes of the model that is to be trained with the relations, over the same
            datasets and classes.
        tau: Threshold of the relations. Default: 0.5.
        max_images: Use so many images of each dataset, evenly spread.
        about: Kept with the relations.
        num_workers: Processes that load images.

    Raises:
        ValueError: The model shares nodes among datasets; other datasets or classes.
    """
    space = model.label_space
    if any(int((space.class_of_node(d) >= 0).sum()) != space.space(d).num_classes
           for d in space.datasets) or space.num_nodes != sum(
               space.space(d).num_classes for d in space.datasets):
        raise ValueError(f"similarity={HEADS!r} needs a model with a classifier for each dataset "
                         "(label_space=dict(type='disjoint'))")
    other = unify_disjoint(list(label_space.spaces.values())).differences(
        unify_disjoint(list(space.spaces.values())))
    if other:
        raise ValueError('the relations are asked for datasets and classes that are not those of '
                         'the model (from the target to the model):\n  ' + '\n  '.join(other))
    rows = [torch.from_numpy(np.array(space.node_of_class(d))) for d in space.datasets]

    def probabilities(embedding: Tensor) -> Tensor:
        logits = model.decode_head.classifier(embedding)  # [B, N, h, w]
        result = torch.empty_like(logits)
        for own in rows:
            result[:, own] = logits[:, own].softmax(dim=1)
        return result

    means, counts = _means(model, images, probabilities, max_images, num_workers)
    scores = {}
    for dataset in label_space.datasets:
        own = label_space.node_of_class(dataset)
        scores[dataset] = np.zeros((len(own), label_space.num_nodes))
        for head in label_space.datasets:
            asked = label_space.class_of_node(head)[own] < 0  # [L]
            nodes = label_space.node_of_class(head)
            said = means[dataset][:, space.node_of_class(head)] * asked[:, None]
            scores[dataset][:, nodes] = np.maximum(scores[dataset][:, nodes], said)
        classes = np.arange(len(own))
        scores[dataset][classes, own] = means[dataset][:, space.node_of_class(dataset)][
            classes, classes]
    return ClassRelations(label_space, scores, counts, tau,
                          {'similarity': HEADS, **(about or {})}, above_own=False)


def _means(model: MultiDatasetSegmentor, images: MultiDataset,
           similarity: Callable[[Tensor], Tensor],
           max_images: int | None,
           num_workers: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Mean of a map [B, N, h, w] over the pixels of each class, and their number."""
    head, space = model.decode_head, model.label_space
    check_max_images(max_images)
    if set(images.names) != set(space.datasets):
        raise ValueError(f'the images are of {", ".join(images.names)}, the model was built for '
                         f'{", ".join(space.datasets)}')
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    means, counts = {}, {}
    try:
        for dataset in space.datasets:
            shape = (space.space(dataset).num_classes, space.num_nodes)
            sums = torch.zeros(shape, dtype=torch.float64, device=device)
            seen = torch.zeros(shape[0], dtype=torch.int64, device=device)
            for image in images_of(model, images, dataset, max_images, num_workers):
                add_class_similarities(sums, seen, similarity(embed(model, image)), image.labels,
                                       head.ignore_index, head.align_corners)
            all_reduce(sums)
            all_reduce(seen)
            # 0 / 0: NaN for classes without pixels
            means[dataset] = (sums / seen[:, None]).cpu().numpy()
            counts[dataset] = seen.cpu().numpy()
    finally:
        model.train(was_training)
    return means, counts
