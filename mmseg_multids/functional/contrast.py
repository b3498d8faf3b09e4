"""Contrast of pixel embeddings (MDP, Eqs. 1, 3, 6, 7, 8 and 10), without ever holding all logits.

Every loss goes through the pixels chunk by chunk, however many prototypes, pixels or regions they
are compared with.

Ids of classes are those of all datasets one after the other, so there may be thousands and 255 is
one of them: pixels without a label have :data:`UNLABELLED`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .chunks import parts_of, precise, rows_of_chunk, softmax_rule, sum_by_chunks

#: Label of a pixel that has none.
UNLABELLED = -1


def pixel_to_pixel(features: Tensor, labels: Tensor, keys: Tensor, key_labels: Tensor,
                   temperature: float = 0.07) -> Tensor:
    """Contrast the pixels of one view with those of another view of the same image (MDP, Eq. 1).

    A pixel's positives are the other view's pixels of its class. Pixels without a label take part
    on neither side: what they are is not known, so they are no negatives either. Pixels whose class
    the other view does not show have no loss.

    Args:
        features: Embeddings of unit length. Shape [B, D, h, w].
        labels: Shape [B, h, w], int64.
        keys: Embeddings of the other views; no gradient. Shape [B, D, h', w'].
        key_labels: Shape [B, h', w'].
        temperature: tau.

    Returns:
        The mean over the images of the mean over their pixels; 0 with a graph where no image has
        any.

    Raises:
        ValueError: Shapes do not fit; the temperature is not above 0.
    """
    _check(features, labels, temperature)
    _check(keys, key_labels, temperature)
    if features.shape[:2] != keys.shape[:2]:
        raise ValueError(f'features {list(features.shape)} and keys {list(keys.shape)} must agree '
                         'in images and channels')
    found = [_image_to_image(one, own, other.detach(), others, temperature)
             for one, own, other, others in zip(features, labels, keys, key_labels)]
    there = [loss for loss in found if loss is not None]
    return torch.stack(there).mean() if there else features.sum() * 0


def _image_to_image(features: Tensor, labels: Tensor, keys: Tensor, key_labels: Tensor,
                    temperature: float) -> Tensor | None:
    labels, key_labels = labels.flatten(), key_labels.flatten()
    known = key_labels != UNLABELLED
    keys = precise(keys).flatten(1).T[known]  # [N', D]
    classes, inverse = key_labels[known].unique(return_inverse=True)
    if not len(classes):
        return None
    # The mean over the positives of f . k is f . (their mean).
    means = keys.new_zeros(len(classes), keys.shape[1]).index_add_(0, inverse, keys)
    means /= torch.bincount(inverse)[:, None]
    place = torch.searchsorted(classes, labels).clamp(max=len(classes) - 1)
    own = (classes[place] == labels) & (labels != UNLABELLED)
    count = int(own.sum())
    if not count:
        return None
    target = means[place[own]] / (temperature * count)
    weight = target.new_full((count,), 1 / count)
    return sum_by_chunks(features.flatten(1).T, own.nonzero().flatten(), softmax_rule(
        keys / temperature, weight, lambda part: target[part]), len(keys))


def pixel_to_prototype(features: Tensor, labels: Tensor, prototypes: Tensor,
                       valid: Tensor | None = None, temperature: float = 0.07) -> Tensor:
    """Draw pixels to the prototype of their class and away from all others (MDP, Eq. 3).

    Args:
        features: Embeddings of unit length. Shape [B, D, h, w].
        labels: Shape [B, h, w], int64.
        prototypes: No gradient goes to them. Shape [C, D].
        valid: Classes that have a prototype; the others are no part of the softmax, and pixels of
            theirs have no loss. Default: all. Shape [C], bool.
        temperature: tau.

    Returns:
        The mean over the labelled pixels; 0 with a graph where there is none.

    Raises:
        ValueError: Shapes do not fit; a label is out of range; the temperature is not above 0.
    """
    return mixed_pixel_to_prototype(features, ((labels, None),), prototypes, valid, temperature)


def mixed_pixel_to_prototype(features: Tensor, targets: tuple[tuple[Tensor, Tensor | None], ...],
                             prototypes: Tensor, valid: Tensor | None = None,
                             temperature: float = 0.07) -> Tensor:
    """Contrast pixels that are mixed of several images, each with labels of its own (MDP, Eq. 6).

    Args:
        features: Embeddings of unit length. Shape [B, D, h, w].
        targets: Labels [B, h, w] and the share of each image in the mixture [B] (``None``: 1), for
            each of the images that were mixed.
        prototypes: Shape [C, D].
        valid: As in :func:`pixel_to_prototype`.
        temperature: tau.

    Returns:
        The sum over the targets of the mean over their labelled pixels of share times loss.

    Raises:
        ValueError: As :func:`pixel_to_prototype`; no target.
    """
    if not targets:
        raise ValueError('targets is empty: at least one pair of labels and shares is needed')
    for labels, _ in targets:
        _check(features, labels, temperature)
    prototypes, valid = _known(features, prototypes, valid)
    columns = precise(prototypes.detach())[valid] / temperature  # [C', D]
    new_id = torch.cumsum(valid, 0) - 1
    weights, ids = [], []
    for labels, share in targets:
        flat = labels.flatten()
        labelled = flat != UNLABELLED
        if bool(((flat < UNLABELLED) | (flat >= len(valid))).any()):
            raise ValueError(f'labels are from {int(flat.min())} to {int(flat.max())}; allowed are '
                             f'0 to {len(valid) - 1}, and {UNLABELLED} for none')
        known = flat.clamp(min=0)
        labelled &= valid[known]
        each = labelled.to(columns.dtype) / labelled.sum().clamp(min=1)
        if share is not None:
            if share.shape != labels.shape[:1]:
                raise ValueError(f'a share of shape {list(share.shape)}; one for each of the '
                                 f'{len(labels)} images is needed')
            each = (each.view(len(labels), -1) * share.to(each)[:, None]).flatten()
        weights.append(each)
        ids.append(torch.where(labelled, new_id[known], 0))
    total = sum(weights)
    used = (total > 0).nonzero().flatten()
    if not len(used) or not len(columns):
        return features.sum() * 0
    weights = [one[used] for one in weights]
    ids = [one[used] for one in ids]

    def target(part: slice) -> Tensor:
        return sum(columns[i[part]] * w[part, None] for i, w in zip(ids, weights))

    return sum_by_chunks(_rows(features), used, softmax_rule(columns, total[used], target),
                         len(columns))


def prototype_consistency(features: Tensor, keys: Tensor, prototypes: Tensor,
                          valid: Tensor | None = None, temperature: float = 0.07,
                          key_temperature: float = 0.04, mask: Tensor | None = None) -> Tensor:
    """Make pixels as similar to each prototype as in another view of them (MDP, Eqs. 7 and 8).

    Args:
        features: Embeddings of unit length. Shape [B, D, h, w].
        keys: Embeddings of the same places in another view; no gradient. Shape [B, D, h, w].
        prototypes: Shape [C, D].
        valid: As in :func:`pixel_to_prototype`.
        temperature: tau_q, of the features.
        key_temperature: tau_k, of the keys; the smaller, the surer they are.
        mask: Pixels that count, such as those that are not padding. Shape [B, h, w], bool.

    Returns:
        The mean over the pixels.

    Raises:
        ValueError: Shapes do not fit; a temperature is not above 0.
    """
    _check(features, None, temperature)
    _check(features, None, key_temperature)
    if features.shape != keys.shape:
        raise ValueError(f'features {list(features.shape)} and keys {list(keys.shape)} must be of '
                         'the same places')
    if mask is not None:
        _check(features, mask, temperature)
    prototypes, valid = _known(features, prototypes, valid)
    columns = precise(prototypes.detach())[valid]
    rows, others = _rows(features), _rows(keys.detach())
    used = torch.arange(len(rows), device=rows.device) if mask is None else \
        mask.flatten().nonzero().flatten()
    if not len(used) or not len(columns):
        return features.sum() * 0
    scaled = columns / temperature
    weight = scaled.new_full((len(used),), 1 / len(used))

    def target(part: slice) -> Tensor:
        share = (precise(others[used[part]]) @ columns.T / key_temperature).softmax(dim=1)
        return share @ scaled * weight[part, None]

    return sum_by_chunks(rows, used, softmax_rule(scaled, weight, target), len(columns))


def pixel_to_region(features: Tensor, labels: Tensor, regions: Tensor, region_labels: Tensor,
                    temperature: float = 0.07) -> Tensor:
    """Contrast pixels with the mean embeddings of regions of other images.

    The baseline of MDP's Table 3 (Wang et al., "Exploring Cross-Image Pixel Contrast for Semantic
    Segmentation", Eq. 3 with regions alone): each region of a pixel's class is told from all
    regions of other classes.

    Args:
        features: Embeddings of unit length. Shape [B, D, h, w].
        labels: Shape [B, h, w], int64.
        regions: Embeddings of unit length; no gradient. Shape [R, D].
        region_labels: Their classes. Shape [R].
        temperature: tau.

    Returns:
        The mean over the pixels that have a positive and a negative; 0 with a graph where none has.

    Raises:
        ValueError: Shapes do not fit; the temperature is not above 0.
    """
    _check(features, labels, temperature)
    if regions.shape != (len(region_labels), features.shape[1]):
        raise ValueError(f'regions [R, D] with labels [R] are needed, got {list(regions.shape)} '
                         f'and {list(region_labels.shape)}')
    flat = labels.flatten()
    known = region_labels != UNLABELLED
    columns = precise(regions.detach())[known] / temperature
    owner = region_labels[known]
    positives = torch.isin(flat, owner) & (flat != UNLABELLED)
    negatives = torch.full_like(positives, len(owner.unique()) > 1)
    used = (positives & negatives).nonzero().flatten()
    if not len(used):
        return features.sum() * 0
    own = flat[used]

    def rule(x: Tensor, part: slice, with_gradient: bool) -> tuple[Tensor, Tensor | None]:
        with torch.set_grad_enabled(with_gradient):
            x = x.detach().requires_grad_(with_gradient)
            logits = x @ columns.T
            positive = own[part, None] == owner
            others = logits.masked_fill(positive, -torch.inf).logsumexp(dim=1, keepdim=True)
            each = torch.nn.functional.softplus(others - logits) * positive
            loss = (each.sum(1) / positive.sum(1)).sum() / len(used)
            gradient = torch.autograd.grad(loss, x)[0] if with_gradient else None
        return loss.detach(), gradient

    return sum_by_chunks(_rows(features), used, rule, 3 * len(columns))


@torch.no_grad()
def pseudo_labels(features: Tensor, prototypes: Tensor, valid: Tensor | None = None,
                  threshold: float = 0.8) -> Tensor:
    """Label pixels with the class of the most similar prototype, where it is similar enough.

    MDP, Eq. (10). Prototypes are means of unit vectors and so shorter than 1: the more a class's
    embeddings differ, the fewer of its pixels reach the threshold.

    Args:
        features: Embeddings of unit length. Shape [B, D, h, w].
        prototypes: Shape [C, D].
        valid: Classes that have a prototype. Default: all. Shape [C], bool.
        threshold: T.

    Returns:
        Ids, :data:`UNLABELLED` below the threshold. Shape [B, h, w], int64.

    Raises:
        ValueError: Shapes do not fit.
    """
    prototypes, valid = _known(features, prototypes, valid)
    ids = valid.nonzero().flatten()
    rows = _rows(features)
    found = torch.full((len(rows),), UNLABELLED, dtype=torch.int64, device=features.device)
    columns = precise(prototypes)[ids]
    if len(ids):
        with torch.autocast(rows.device.type, enabled=False):
            for part in parts_of(len(rows), rows_of_chunk(rows, len(ids))):
                best, which = (precise(rows[part]) @ columns.T).max(dim=1)
                found[part] = torch.where(best >= threshold, ids[which], UNLABELLED)
    return found.view(features.shape[0], *features.shape[2:])


@torch.no_grad()
def image_class_means(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Average the embeddings of each class in each image (p_ij of MDP, Eq. 2).

    Args:
        features: Shape [B, D, h, w].
        labels: Shape [B, h, w], int64.

    Returns:
        A row for each class of each image that is there, [n, D], and the classes, [n].

    Raises:
        ValueError: Shapes do not fit; a label is negative and not :data:`UNLABELLED`.
    """
    _check(features, labels, 1.0)
    if labels.numel() and int(labels.min()) < UNLABELLED:
        raise ValueError(f'label {int(labels.min())}: allowed are ids from 0, and {UNLABELLED} for '
                         'none')
    images = len(labels)
    flat = labels.flatten(1)
    labelled = (flat != UNLABELLED).flatten().nonzero().flatten()
    width = int(flat.max()) + 1 if flat.numel() else 0
    keys = (flat + width * torch.arange(images, device=flat.device)[:, None]).flatten()[labelled]
    pairs, inverse = keys.unique(return_inverse=True)
    rows = precise(_rows(features))
    sums = rows.new_zeros(len(pairs), features.shape[1]).index_add_(0, inverse, rows[labelled])
    count = torch.bincount(inverse, minlength=len(pairs))
    return sums / count[:, None], pairs % max(width, 1)


def _rows(features: Tensor) -> Tensor:
    """[B, D, h, w] -> [B * h * w, D]."""
    return features.flatten(2).transpose(1, 2).flatten(0, 1)


def _known(features: Tensor, prototypes: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    if prototypes.dim() != 2 or prototypes.shape[1] != features.shape[1]:
        raise ValueError(f'prototypes [C, {features.shape[1]}] are needed, got '
                         f'{list(prototypes.shape)}')
    if valid is None:
        valid = torch.ones(len(prototypes), dtype=torch.bool, device=prototypes.device)
    if valid.shape != (len(prototypes),):
        raise ValueError(f'valid has shape {list(valid.shape)}; {len(prototypes)} values are '
                         'needed')
    return prototypes, valid.bool()


def _check(features: Tensor, labels: Tensor | None, temperature: float) -> None:
    if features.dim() != 4:
        raise ValueError(f'features [B, D, h, w] are needed, got {list(features.shape)}')
    if labels is not None and labels.shape != (len(features), *features.shape[2:]):
        raise ValueError(f'labels {list(labels.shape)} do not fit features {list(features.shape)}')
    if not temperature > 0:
        raise ValueError(f'temperature={temperature}: a number above 0 is needed')
