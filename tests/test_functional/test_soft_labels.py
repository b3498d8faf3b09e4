"""Losses with soft labels against loops."""

from functools import partial

import pytest
import torch

from mmseg_multids.functional import partial_label_bce, pixel_cross_entropy
from mmseg_multids.functional.soft_labels import SoftLabels, soft_label_loss, soften

B, K, C, H, W = 2, 3, 5, 6, 4


def problem(seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(B, C, H, W, generator=generator, dtype=dtype)
    ids = torch.stack([torch.randperm(C, generator=generator)[:K] for _ in range(B * H * W)])
    ids = ids.view(B, H, W, K).permute(0, 3, 1, 2).contiguous()
    scores = torch.rand(B, K, H, W, generator=generator, dtype=dtype)
    scores = scores / scores.sum(1, keepdim=True)
    ids[:, :, 0, :2], scores[:, :, 0, :2] = 255, 0
    return logits, SoftLabels(ids, scores)


@pytest.mark.parametrize('weighted', [False, True])
def test_cross_entropy_with_a_distribution_for_each_pixel(weighted):
    logits, soft = problem()
    weights = torch.rand(C, dtype=logits.dtype) + 0.5 if weighted else torch.ones(
        C, dtype=logits.dtype)
    found = soft_label_loss(partial(pixel_cross_entropy, logits), soft,
                            class_weight=weights if weighted else None)
    total = count = 0.0
    for b in range(B):
        for y in range(H):
            for x in range(W):
                log_p = logits[b, :, y, x].log_softmax(0)
                for k in range(K):
                    c, q = int(soft.ids[b, k, y, x]), float(soft.scores[b, k, y, x])
                    if c != 255:
                        total -= q * float(weights[c]) * float(log_p[c])
                        count += q * float(weights[c])
    assert float(found) == pytest.approx(total / count, rel=1e-6)


def test_sigmoid_cross_entropy_has_the_probabilities_as_targets():
    logits, soft = problem(1)
    found = soft_label_loss(
        partial(partial_label_bce, logits, table=torch.eye(C, dtype=torch.int8)), soft)
    target = torch.zeros(B, C, H, W, dtype=logits.dtype)
    labelled = soft.ids[:, 0] != 255
    target.scatter_add_(1, soft.ids.clamp(max=C - 1), soft.scores)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, target, reduction='none').sum(1)[labelled].mean()
    torch.testing.assert_close(found.double(), expected)


def test_sure_labels_are_hard_ones():
    logits, soft = problem(2)
    labels = soft.ids[:, 0].clone()
    sure = SoftLabels(soft.ids, torch.zeros_like(soft.scores))
    sure.scores[:, 0] = (labels != 255).to(sure.scores)
    torch.testing.assert_close(soft_label_loss(partial(pixel_cross_entropy, logits), sure),
                               pixel_cross_entropy(logits, labels))


def test_pixel_weights_do_not_change_the_divisor():
    logits, soft = problem(3)
    weight = torch.rand(B, H, W, dtype=logits.dtype)
    half = soft_label_loss(partial(pixel_cross_entropy, logits), soft, pixel_weight=weight)
    whole = soft_label_loss(partial(pixel_cross_entropy, logits), soft, pixel_weight=2 * weight)
    torch.testing.assert_close(2 * half, whole)


def test_gradient_and_nothing_labelled():
    logits, soft = problem(4)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: soft_label_loss(partial(pixel_cross_entropy, x), soft), (logits,))
    nothing = SoftLabels(torch.full_like(soft.ids, 255), torch.zeros_like(soft.scores))
    loss = soft_label_loss(partial(pixel_cross_entropy, logits), nothing)
    loss.backward()
    assert float(loss) == 0 and (logits.grad == 0).all()


def test_samples_with_and_without_soft_labels():
    labels = torch.tensor([[[1, 2], [255, 0]], [[3, 4], [2, 255]]])
    ids = torch.tensor([[[1, 0], [0, 0]], [[4, 3], [1, 1]]], dtype=torch.uint8)
    scores = torch.tensor([[[0.6, 0.0], [0.5, 0.3]], [[0.2, 0.0], [0.5, 0.3]]])
    soft = soften(labels, [ids, None], [scores, None])
    assert soft.ids.shape == soft.scores.shape == (2, 2, 2, 2)
    torch.testing.assert_close(soft.scores[0, :, 0, 0], torch.tensor([0.75, 0.25]))
    assert soft.ids[0, :, 0, 0].tolist() == [1, 4]
    # No score at all: not labelled. Not labelled: no score.
    assert (soft.ids[0, :, 0, 1] == 255).all() and soft.scores[0, :, 0, 1].sum() == 0
    assert (soft.ids[0, :, 1, 0] == 255).all() and soft.scores[0, :, 1, 0].sum() == 0
    # Labels alone are sure, whatever K the others have.
    assert soft.scores[1, :, 0, 1].tolist() == [1, 0] and int(soft.ids[1, 0, 0, 1]) == 4
    assert (soft.ids[1, :, 1, 1] == 255).all()
    assert soften(labels, [None, None], [None, None]) is None


def test_padded_samples_have_no_soft_labels_where_they_are_padded():
    labels = torch.tensor([[[1, 2, 255], [2, 0, 255], [255, 255, 255]]])
    ids = torch.tensor([[[1, 2], [2, 0]]])
    soft = soften(labels, [ids], [torch.ones(1, 2, 2)])
    assert soft.scores[0, 0].tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert (soft.ids[0, 0] == labels[0]).all()


def test_shapes_that_do_not_fit_are_refused():
    logits, soft = problem()
    with pytest.raises(ValueError, match=r'ids \[2, 3, 6, 4\] and scores \[2, 2, 6, 4\]'):
        soft_label_loss(partial(pixel_cross_entropy, logits),
                        SoftLabels(soft.ids, soft.scores[:, :2]))
