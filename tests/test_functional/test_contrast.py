"""Contrastive losses against loops written from the paper's equations (MDP)."""

import math

import pytest
import torch

from mmseg_multids.functional import chunks
from mmseg_multids.functional.contrast import (
    UNLABELLED,
    image_class_means,
    mixed_pixel_to_prototype,
    pixel_to_pixel,
    pixel_to_prototype,
    pixel_to_region,
    prototype_consistency,
    pseudo_labels,
)

TAU = 0.3


def unit(*shape, seed=0, grad=False):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return (x / x.norm(dim=1, keepdim=True)).requires_grad_(grad)


def some_labels(*shape, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(UNLABELLED, classes, shape, generator=generator)


def test_small_chunks_are_several():
    """Else the tests below would not see the seams."""
    parts = list(chunks.parts_of(40, chunks.rows_of_chunk(torch.zeros(40, 3), 4)))
    assert len(parts) == (3 if chunks._CHUNK_BYTES['cpu'] == 64 else 1)
    assert all(a.stop == b.start for a, b in zip(parts, parts[1:])) and parts[0].start == 0


@pytest.fixture(params=[None, 64], ids=['one chunk', 'small chunks'], autouse=True)
def chunk_bytes(request, monkeypatch):
    if request.param:
        monkeypatch.setitem(chunks._CHUNK_BYTES, 'cpu', request.param)


def pixels(x):
    """Yield (image, y, x) and the vector there."""
    for b in range(len(x)):
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                yield (b, i, j), x[b, :, i, j]


def dot(a, b):
    return float(sum(float(u) * float(v) for u, v in zip(a, b)))


def prototype_loss(vector, label, prototypes, valid, tau=TAU):
    """Eq. (3) of one pixel."""
    total = sum(math.exp(dot(vector, prototypes[k]) / tau) for k in range(len(prototypes))
                if valid[k])
    return -math.log(math.exp(dot(vector, prototypes[label]) / tau) / total)


def check_gradient(loss, features):
    """Both ways to make gradients, against finite differences."""
    assert torch.autograd.gradcheck(loss, (features,))


def test_pixel_to_pixel_is_equation_one():
    features, keys = unit(2, 5, 3, 4), unit(2, 5, 2, 5, seed=1)
    labels, key_labels = some_labels(2, 3, 4), some_labels(2, 2, 5, seed=1)
    means = []
    for b in range(2):
        losses = []
        for (_, i, j), f in pixels(features[b:b + 1]):
            own = int(labels[b, i, j])
            known = [(p, k) for p, k in pixels(keys[b:b + 1])
                     if key_labels[b, p[1], p[2]] != UNLABELLED]
            positives = [k for p, k in known if key_labels[b, p[1], p[2]] == own]
            if own == UNLABELLED or not positives:
                continue
            total = sum(math.exp(dot(f, k) / TAU) for _, k in known)
            losses.append(-sum(math.log(math.exp(dot(f, k) / TAU) / total) for k in positives)
                          / len(positives))
        means.append(sum(losses) / len(losses))
    found = pixel_to_pixel(features, labels, keys, key_labels, TAU)
    assert found.item() == pytest.approx(sum(means) / 2, rel=1e-9)


def test_pixel_to_prototype_is_equation_three():
    features, labels = unit(2, 5, 3, 4), some_labels(2, 3, 4)
    prototypes, valid = unit(5, 5, seed=2) * 0.7, torch.tensor([True, True, False, True, True])
    losses = [prototype_loss(f, int(labels[p]), prototypes, valid) for p, f in pixels(features)
              if labels[p] != UNLABELLED and valid[labels[p]]]
    found = pixel_to_prototype(features, labels, prototypes, valid, TAU)
    assert found.item() == pytest.approx(sum(losses) / len(losses), rel=1e-9)
    everything = pixel_to_prototype(features, labels, prototypes, temperature=TAU)
    assert everything.item() != pytest.approx(found.item())


def test_mixed_labels_are_equation_six():
    features, prototypes = unit(2, 5, 3, 4), unit(4, 5, seed=2)
    first, second = some_labels(2, 3, 4), some_labels(2, 3, 4, seed=5)
    share = torch.tensor([0.3, 0.9], dtype=torch.float64)
    expected = 0.0
    for labels, weights in ((first, share), (second, 1 - share)):
        losses = [float(weights[p[0]]) * prototype_loss(f, int(labels[p]), prototypes, [True] * 4)
                  for p, f in pixels(features) if labels[p] != UNLABELLED]
        expected += sum(losses) / len(losses)
    found = mixed_pixel_to_prototype(features, ((first, share), (second, 1 - share)), prototypes,
                                     temperature=TAU)
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_consistency_is_equations_seven_and_eight():
    features, keys, prototypes = unit(2, 5, 3, 4), unit(2, 5, 3, 4, seed=1), unit(4, 5, seed=2)
    valid = torch.tensor([True, False, True, True])
    mask = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0)) > 0.3
    losses = []
    for (p, f), (_, k) in zip(pixels(features), pixels(keys)):
        if not mask[p]:
            continue
        s, own = ([math.exp(dot(v, prototypes[c]) / t) for c in (0, 2, 3)]
                  for v, t in ((k, 0.1), (f, TAU)))
        losses.append(-sum(a / sum(s) * math.log(b / sum(own)) for a, b in zip(s, own)))
    found = prototype_consistency(features, keys, prototypes, valid, TAU, 0.1, mask)
    assert found.item() == pytest.approx(sum(losses) / len(losses), rel=1e-9)


def test_pixel_to_region_is_the_loop():
    features, labels = unit(2, 5, 3, 4), some_labels(2, 3, 4)
    regions, owners = unit(7, 5, seed=3), torch.tensor([0, 0, 1, 1, 1, 2, UNLABELLED])
    losses = []
    for p, f in pixels(features):
        own = [r for r, c in zip(regions, owners) if c == labels[p]]
        others = [r for r, c in zip(regions, owners) if c not in (labels[p], UNLABELLED)]
        if labels[p] == UNLABELLED or not own:
            continue
        negative = sum(math.exp(dot(f, r) / TAU) for r in others)
        losses.append(sum(-math.log(math.exp(dot(f, r) / TAU) / (
            math.exp(dot(f, r) / TAU) + negative)) for r in own) / len(own))
    found = pixel_to_region(features, labels, regions, owners, TAU)
    assert found.item() == pytest.approx(sum(losses) / len(losses), rel=1e-9)


# Few and many columns: gradients are made anew in the backward pass, or kept.
@pytest.mark.parametrize('many', [False, True])
def test_gradients(many):
    classes = 12 if many else 4
    # More pixels than the smallest chunk has.
    features = unit(2, 3, 4, 5, grad=True)
    labels, other = some_labels(2, 4, 5, classes=classes), some_labels(2, 4, 5, seed=4)
    keys, key_labels = unit(2, 3, 4, 5, seed=1), some_labels(2, 4, 5, seed=1)
    prototypes, valid = unit(classes, 3, seed=2), torch.arange(classes) != 1
    share = torch.tensor([0.3, 0.8], dtype=torch.float64)
    check_gradient(lambda f: pixel_to_prototype(f, labels, prototypes, valid, TAU), features)
    check_gradient(lambda f: mixed_pixel_to_prototype(
        f, ((labels, share), (other, 1 - share)), prototypes, valid, TAU), features)
    check_gradient(lambda f: pixel_to_pixel(f, other, keys, key_labels, TAU), features)
    check_gradient(lambda f: prototype_consistency(f, keys, prototypes, valid, TAU,
                                                   0.1), features)
    check_gradient(lambda f: pixel_to_region(f, labels, prototypes, torch.arange(classes) % 3,
                                             TAU), features)


def losses_of(features, labels, prototypes, valid):
    keys = features.detach()
    return {
        'pixel': pixel_to_pixel(features, labels, keys, labels),
        'prototype': pixel_to_prototype(features, labels, prototypes, valid),
        'consistency': prototype_consistency(features, keys, prototypes, valid),
        'region': pixel_to_region(features, labels, prototypes, torch.arange(len(prototypes)))}


@pytest.mark.parametrize('labels', [UNLABELLED, 2], ids=['no label', 'one class'])
@pytest.mark.parametrize('valid', [None, False], ids=['all', 'no prototypes'])
def test_images_with_nothing_to_contrast_give_finite_losses(labels, valid):
    features = unit(2, 5, 3, 4, grad=True)
    flags = None if valid is None else torch.zeros(4, dtype=torch.bool)
    found = losses_of(features, torch.full((2, 3, 4), labels), unit(4, 5, seed=2), flags)
    for name, loss in found.items():
        gradient, = torch.autograd.grad(loss, features)
        assert loss.isfinite() and gradient.isfinite().all(), name
    if labels == UNLABELLED:
        assert found['pixel'] == found['prototype'] == found['region'] == 0


def test_large_similarities_do_not_overflow():
    features = unit(1, 5, 3, 4).float().requires_grad_()
    loss = pixel_to_prototype(features, torch.zeros(1, 3, 4).long(), -unit(4, 5).float(),
                              temperature=1e-3)
    assert loss.isfinite() and torch.autograd.grad(loss, features)[0].isfinite().all()


@pytest.mark.parametrize('many', [False, True])
def test_half_precision_keeps_the_gradient(many):
    features = unit(1, 4, 8, 8)
    labels, prototypes = some_labels(1, 8, 8), unit(40 if many else 4, 4, seed=2)
    exact = features.clone().requires_grad_()
    pixel_to_prototype(exact, labels, prototypes).backward()
    half = features.bfloat16().requires_grad_()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = pixel_to_prototype(half, labels, prototypes.float())
    assert loss.dtype == torch.float32
    loss.backward()
    assert half.grad.dtype == torch.bfloat16
    torch.testing.assert_close(half.grad.double(), exact.grad, rtol=0.1, atol=2e-3)


def test_the_key_side_and_prototypes_have_no_gradient():
    features, keys = unit(1, 5, 3, 4, grad=True), unit(1, 5, 3, 4, seed=1, grad=True)
    prototypes, labels = unit(4, 5, seed=2, grad=True), some_labels(1, 3, 4)
    total = (pixel_to_pixel(features, labels, keys, labels)
             + pixel_to_prototype(features, labels, prototypes)
             + prototype_consistency(features, keys, prototypes))
    total.backward()
    assert features.grad.abs().sum() > 0 and keys.grad is None and prototypes.grad is None


def test_pseudo_labels_are_equation_ten():
    features, prototypes = unit(2, 5, 3, 4), unit(4, 5, seed=2)
    valid = torch.tensor([True, True, False, True])
    found = pseudo_labels(features, prototypes, valid, 0.4)
    for p, f in pixels(features):
        scores = [dot(f, prototypes[c]) for c in (0, 1, 3)]
        best = [0, 1, 3][scores.index(max(scores))]
        assert found[p] == (best if max(scores) >= 0.4 else UNLABELLED)
    assert 0 < int((found == UNLABELLED).sum()) < found.numel()
    assert (pseudo_labels(features, prototypes, torch.zeros(4).bool()) == UNLABELLED).all()


def test_class_means_are_those_of_each_image():
    features, labels = unit(3, 5, 3, 4), some_labels(3, 3, 4)
    labels[2] = UNLABELLED
    means, classes = image_class_means(features, labels)
    expected = []
    for b in range(3):
        for c in range(4):
            own = [f for p, f in pixels(features[b:b + 1]) if labels[b, p[1], p[2]] == c]
            if own:
                expected.append((c, sum(own) / len(own)))
    assert classes.tolist() == [c for c, _ in expected]
    torch.testing.assert_close(means, torch.stack([m for _, m in expected]))
    none = image_class_means(features, torch.full_like(labels, UNLABELLED))
    assert none[0].shape == (0, 5) and len(none[1]) == 0


@pytest.mark.parametrize(('call', 'words'), [
    (lambda f, y, p: pixel_to_prototype(f, y[:, 1:], p), 'do not fit features'),
    (lambda f, y, p: pixel_to_prototype(f, y, p[:, 1:]), r'prototypes \[C, 5\] are needed'),
    (lambda f, y, p: pixel_to_prototype(f, y + 9, p), r'allowed are 0 to 3, and -1 for none'),
    (lambda f, y, p: pixel_to_prototype(f, y - 9, p), r'allowed are 0 to 3, and -1 for none'),
    (lambda f, y, p: pixel_to_prototype(f, y, p, temperature=0), 'temperature=0: a number above 0'),
    (lambda f, y, p: pixel_to_prototype(f, y, p, torch.ones(3)), '4 values are needed'),
    (lambda f, y, p: pixel_to_prototype(f[0], y, p), r'features \[B, D, h, w\] are needed'),
    (lambda f, y, p: mixed_pixel_to_prototype(f, (), p), 'targets is empty'),
    (lambda f, y, p: mixed_pixel_to_prototype(f, ((y, torch.ones(9)),), p), 'one for each of the'),
    (lambda f, y, p: prototype_consistency(f, f[:1], p), 'must be of the same places'),
    (lambda f, y, p: pixel_to_pixel(f, y, f[:1], y[:1]), 'must agree in images'),
    (lambda f, y, p: image_class_means(f, y - 9), 'allowed are ids from 0, and -1 for none'),
    (lambda f, y, p: pixel_to_region(f, y, p, y[0, 0, :1]), r'regions \[R, D\] with labels'),
])
def test_what_does_not_fit_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call(unit(2, 5, 3, 4), some_labels(2, 3, 4), unit(4, 5, seed=2))
