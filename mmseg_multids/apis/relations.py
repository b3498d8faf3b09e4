"""Gathering class relations from a trained model (UniSeg, Eq. 7)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.dist import all_reduce, get_rank, get_world_size
from torch import Tensor

from ..datasets import MultiDataset
from ..functional import add_class_similarities
from ..label_spaces import ClassRelations
from ..models import CosineNodeClassifier, MultiDatasetSegmentor, classifier_in_use
from ..registry import DATASETS
from .trained import name_of

SIMILARITIES = ('cosine', 'sigmoid')


def training_images(cfg: Config) -> MultiDataset:
    """Build the training images of a config as validation loads them: whole, not augmented.

    Raises:
        ValueError: The config has no training images, or says nowhere how to validate.
    """
    try:
        dataset = {**cfg.train_dataloader.dataset}
        dataset['pipeline'] = cfg.val_dataloader.dataset.pipeline
    except AttributeError as error:
        raise ValueError(f'{name_of(cfg)} needs train_dataloader.dataset and '
                         f'val_dataloader.dataset.pipeline: {error}') from None
    return DATASETS.build(dataset)


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
                     max_images: int | None = None,
                     about: dict[str, str] | None = None) -> ClassRelations:
    """Average the similarity of each class's pixels to every node, in one pass over the images.

    Several processes share the images and add up their sums; all return the same relations.

    Args:
        model: Trained with a loss that is no softmax (Appendix C).
        images: Training images; see :func:`training_images`.
        similarity: ``'cosine'``: of the cosine classifier, without its scale t; ``'sigmoid'``: of
            the logits.
        tau: Threshold of the relations. Default: the paper's automatic one.
        max_images: Use so many images of each dataset, evenly spread.
        about: Kept with the relations.

    Raises:
        TypeError: ``'cosine'`` without a :class:`CosineNodeClassifier`.
        ValueError: Unknown ``similarity``; the images' datasets are not those of the model; a class
            with several nodes.
    """
    check_similarity(model, similarity)
    head, space = model.decode_head, model.label_space
    classifier = classifier_in_use(head.classifier)
    if set(images.names) != set(space.datasets):
        raise ValueError(f'the images are of {", ".join(images.names)}, the model was built for '
                         f'{", ".join(space.datasets)}')
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    scores, counts = {}, {}
    try:
        for dataset in space.datasets:
            shape = (space.space(dataset).num_classes, space.num_nodes)
            sums = torch.zeros(shape, dtype=torch.float64, device=device)
            seen = torch.zeros(shape[0], dtype=torch.int64, device=device)
            for inputs, labels in _images(model, images, dataset, max_images):
                with model.context.batch([dataset] * len(inputs)):
                    embedding = head.head(model.extract_feat(inputs))
                found = (classifier.similarity(embedding) if similarity == 'cosine'
                         else classifier(embedding).sigmoid())
                add_class_similarities(sums, seen, found, labels, head.ignore_index,
                                       head.align_corners)
            all_reduce(sums)
            all_reduce(seen)
            # 0 / 0: NaN for classes without pixels
            scores[dataset] = (sums / seen[:, None]).cpu().numpy()
            counts[dataset] = seen.cpu().numpy()
    finally:
        model.train(was_training)
    return ClassRelations(space, scores, counts, tau, {'similarity': similarity, **(about or {})})


def _images(model: MultiDatasetSegmentor, images: MultiDataset, dataset: str,
            max_images: int | None) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield this process's share: preprocessed images [1, 3, H, W] and labels [1, H, W]."""
    size = images.sizes[dataset]
    start = sum(images.sizes[name] for name in images.names[:images.names.index(dataset)])
    count = size if max_images is None else min(size, max_images)
    for i in range(get_rank(), count, get_world_size()):
        data = pseudo_collate([images[start + i * size // count]])
        # As in training, so that labels are padded as images are.
        data = model.data_preprocessor(data, True)
        yield data['inputs'], data['data_samples'][0].gt_sem_seg.data
