"""Losses at the labels' resolution against loops written from UniSeg's equations."""

import math

import pytest
import torch
import torch.nn.functional as F

from mmseg_multids.functional import (
    hard_pixels,
    partial_label_bce,
    pixel_cross_entropy,
    strips,
    supervision_table,
)

SIZES = [((5, 6), (37, 70)), ((5, 6), (9, 131)), ((8, 8), (8, 8)), ((8, 20), (8, 150)),
         ((12, 20), (9, 11)), ((1, 1), (16, 16)), ((3, 70), (5, 70))]


@pytest.fixture(params=[4 * 2 ** 20, 3000])
def strip_bytes(request, monkeypatch):
    """One strip, and many."""
    monkeypatch.setitem(strips._STRIP_BYTES, 'cpu', request.param)


def case(small, large, channels=7, batch=2, dtype=torch.float64, seed=0, labels=None):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, channels, *small, generator=generator, dtype=dtype) * 3
    target = torch.randint(0, labels or channels, (batch, *large), generator=generator)
    target[torch.rand(batch, *large, generator=generator) < 0.2] = 255
    return logits.requires_grad_(), target


def enlarged(logits, size, align_corners=False):
    return F.interpolate(logits, size=size, mode='bilinear', align_corners=align_corners)


def relation_table(labels=4, channels=7):
    """Labels 0..3 own channels 0..3; some channels of others are related to some of them."""
    table = torch.full((labels, channels), -1)
    table[:, :labels] = 0
    table[range(labels), range(labels)] = 1
    table[0, 5] = table[1, 5] = table[1, 6] = 1
    table[2, 3] = 1  # a class of the same dataset as a second label
    return table


def by_loop(logits, target, table):
    """UniSeg, Eq. (8); Eq. (4) is the table without further labels."""
    total, count = 0.0, 0
    for b, row in enumerate(target.tolist()):
        for i, line in enumerate(row):
            for j, y in enumerate(line):
                if y == 255:
                    continue
                count += 1
                for k, label in enumerate(table[y].tolist()):
                    if label == -1:
                        continue
                    q = 1 / (1 + math.exp(-float(logits[b, k, i, j])))
                    total -= label * math.log(q) + (1 - label) * math.log(1 - q)
    return total / count


def test_bce_equals_the_loop(strip_bytes):
    logits, target = case((4, 5), (4, 5), labels=4)
    found = partial_label_bce(logits, target, relation_table())
    assert float(found) == pytest.approx(by_loop(logits, target, relation_table()), rel=1e-10)


@pytest.mark.parametrize('small, large', SIZES)
@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
def test_strips_equal_the_enlarged_whole(strip_bytes, small, large, align_corners, dtype):
    logits, target = case(small, large, dtype=dtype, labels=4)
    table = relation_table()
    own = table[target.masked_fill(target == 255, 0)].permute(0, 3, 1, 2)
    direct = F.binary_cross_entropy_with_logits(
        enlarged(logits, large, align_corners), (own == 1).to(dtype), reduction='none')
    direct = (direct * (own >= 0)).sum(dim=1)[target != 255].mean()
    found = partial_label_bce(logits, target, table, align_corners=align_corners)
    pairs = [(found, direct)]
    pairs.append((pixel_cross_entropy(logits, target, align_corners=align_corners),
                  F.cross_entropy(enlarged(logits, large, align_corners), target,
                                  ignore_index=255)))
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
        a, = torch.autograd.grad(ours, logits)
        b, = torch.autograd.grad(theirs, logits)
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6 * float(b.abs().max()))


def test_gradients_are_those_of_finite_differences(strip_bytes):
    logits, target = case((3, 4), (7, 9), labels=4)
    weights = torch.rand(2, 7, 9, dtype=torch.float64)
    table, factors = relation_table(), torch.tensor([1.0, 2.0, 0.5, 0.0], dtype=torch.float64)

    def bce(x):
        return partial_label_bce(x, target, table, class_weight=factors, pixel_weight=weights)

    def softmax(x):
        return pixel_cross_entropy(x, target, class_weight=factors.repeat(2)[:7],
                                   pixel_weight=weights)

    assert torch.autograd.gradcheck(bce, (logits,))
    assert torch.autograd.gradcheck(softmax, (logits,))


def test_other_datasets_classes_get_a_gradient_of_exactly_zero():
    """Eq. (5): no loss, hence no conflict; (a-16): sigmoid minus label on the others."""
    logits, target = case((6, 6), (6, 6), labels=4)
    null = torch.full((4, 7), -1)
    null[:, :4] = torch.eye(4)
    grad, = torch.autograd.grad(partial_label_bce(logits, target, null, reduction='sum'), logits)
    assert torch.equal(grad[:, 4:], torch.zeros_like(grad[:, 4:]))
    labels = F.one_hot(target.masked_fill(target == 255, 0), 4).permute(0, 3, 1, 2)
    expected = (logits[:, :4].sigmoid() - labels) * (target != 255)[:, None]
    torch.testing.assert_close(grad[:, :4], expected.detach())
    related, = torch.autograd.grad(
        partial_label_bce(logits, target, relation_table(), reduction='sum'), logits)
    left_alone = (target != 0) & (target != 1)  # labels that say nothing of channel 5
    assert bool((related[:, 5][left_alone] == 0).all())
    assert bool((related[:, 5][target == 0] < 0).all())


def test_unsupervised_columns_are_not_computed(monkeypatch):
    seen = []
    original = strips._Plan.__init__

    def init(self, logits, *args):
        seen.append(logits.shape[1])
        original(self, logits, *args)

    monkeypatch.setattr(strips._Plan, '__init__', init)
    logits, target = case((6, 6), (6, 6), labels=4)
    null = torch.full((4, 7), -1)
    null[:, :4] = torch.eye(4)
    partial_label_bce(logits, target, null)
    partial_label_bce(logits, target, relation_table())
    assert seen == [4, 6]  # nothing says anything of channel 4


@pytest.mark.parametrize('channels', [3, 200])
def test_weights_are_those_of_the_usual_loss(channels):
    logits, target = case((6, 6), (24, 24), channels=channels, dtype=torch.float32)
    weights = torch.rand(channels, generator=torch.Generator().manual_seed(1))
    pixels = torch.rand(2, 24, 24, generator=torch.Generator().manual_seed(2))
    theirs = F.cross_entropy(enlarged(logits, (24, 24)), target, weights, ignore_index=255,
                             reduction='none')
    theirs = (theirs * pixels).sum() / weights[target[target != 255]].sum()
    ours = pixel_cross_entropy(logits, target, class_weight=weights, pixel_weight=pixels)
    torch.testing.assert_close(ours, theirs)


def test_many_channels_do_not_underflow():
    """0.5 to the power of 500 is no number of single precision."""
    logits = torch.zeros(1, 500, 4, 4, requires_grad=True)
    target = torch.zeros(1, 4, 4, dtype=torch.long)
    loss = partial_label_bce(logits, target, torch.eye(500))
    assert float(loss) == pytest.approx(500 * math.log(2), rel=1e-6)
    large = torch.full((1, 500, 4, 4), 100.0)
    assert float(partial_label_bce(large, target, torch.eye(500))) == pytest.approx(499 * 100)
    assert float(partial_label_bce(-large, target, torch.eye(500))) == pytest.approx(100)


@pytest.mark.parametrize('loss', [pixel_cross_entropy,
                                  lambda x, y: partial_label_bce(x, y, torch.eye(7))])
def test_nothing_labelled_gives_zero_with_a_graph(loss):
    logits, target = case((4, 4), (8, 8))
    value = loss(logits, torch.full_like(target, 255))
    assert float(value) == 0
    grad, = torch.autograd.grad(value, logits)
    assert torch.equal(grad, torch.zeros_like(grad))


@pytest.mark.parametrize('loss', [pixel_cross_entropy,
                                  lambda x, y: partial_label_bce(x, y, torch.eye(7))])
def test_half_precision_keeps_small_gradients(loss):
    """A mean over many pixels is below what fp16 can hold; the scaler acts afterwards."""
    logits, target = case((64, 64), (256, 256), dtype=torch.float32)
    half = logits.detach().half().requires_grad_()
    exact, = torch.autograd.grad(loss(half.float(), target), half, retain_graph=False)
    scaled, = torch.autograd.grad(loss(half, target) * 2.0 ** 14, half)
    torch.testing.assert_close(scaled.float() / 2 ** 14, exact.float(), rtol=2e-2, atol=1e-7)
    assert float((scaled == 0).float().mean()) < 0.01
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert loss(half, target).dtype == torch.float32


def test_losses_of_pixels_add_up_to_the_mean(strip_bytes):
    logits, target = case((5, 6), (20, 131), labels=4)
    for function in (lambda **k: pixel_cross_entropy(logits, target, **k),
                     lambda **k: partial_label_bce(logits, target, relation_table(), **k)):
        pixels = function(reduction='none')
        assert pixels.shape == target.shape and not pixels.requires_grad
        assert bool((pixels[target == 255] == 0).all())
        torch.testing.assert_close(pixels.sum() / (target != 255).sum(), function().detach())
        torch.testing.assert_close(pixels.sum(), function(reduction='sum').detach())


def test_hard_pixels_without_labels_or_with_few():
    losses = torch.tensor([[[3.0, 1.0, 2.0, 0.1]]])
    labelled = torch.tensor([[[True, True, True, False]]])
    assert hard_pixels(losses, labelled, 2).flatten().tolist() == [1, 0, 1, 0]
    assert hard_pixels(losses, labelled, 9).flatten().tolist() == [1, 1, 1, 0]
    assert hard_pixels(losses, labelled, 1, thresh=0.2).flatten().tolist() == [1, 0, 1, 0]
    assert not hard_pixels(losses, torch.zeros_like(labelled), 2).any()


@pytest.mark.parametrize(('call', 'words'), [
    (lambda x, y: supervision_table(torch.tensor([[0, 1], [0, -1]])), 'row.s. .1. .* have no 1'),
    (lambda x, y: supervision_table(torch.tensor([[0, 2]])), 'of 1, 0 or -1'),
    (lambda x, y: partial_label_bce(x, y, torch.eye(6)), '6 channels, the logits have 7'),
    (lambda x, y: partial_label_bce(x, y, torch.eye(7)[:3]), 'label id 6 is outside 0..2'),
    (lambda x, y: pixel_cross_entropy(x, y + 1), 'is outside 0..6'),
    (lambda x, y: pixel_cross_entropy(x, y, reduction='max'), "reduction='max'"),
    (lambda x, y: pixel_cross_entropy(x, y[0]), 'are needed, got'),
])
def test_bad_input(call, words):
    logits, target = case((4, 4), (8, 8))
    with pytest.raises(ValueError, match=words):
        call(logits, target)


def test_labels_of_different_numbers_of_channels_without_a_shared_one():
    table = torch.tensor([[1, 1, -1], [-1, -1, 1]])
    logits = torch.randn(1, 3, 2, 2, dtype=torch.float64)
    target = torch.tensor([[[0, 1], [1, 0]]])
    expected = 0.0
    for y in range(2):
        for x in range(2):
            for k in range(3):
                sign = int(table[target[0, y, x], k])
                if sign >= 0:
                    q = torch.sigmoid(logits[0, k, y, x])
                    expected -= torch.log(q if sign else 1 - q)
    torch.testing.assert_close(partial_label_bce(logits, target, table), expected / 4)
