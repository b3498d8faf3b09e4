"""The bank of prototypes (MDP, Eq. 2)."""

import copy
import math

import pytest
import torch

from mmseg_multids.functional.contrast import UNLABELLED
from mmseg_multids.models import PrototypeBank

CLASSES = ['a/road', 'a/sky', 'b/road', 'b/car']


def bank(images=6, batch_size=2, channels=5):
    return PrototypeBank(CLASSES, channels, images, batch_size)


def batch(seed, size=2, channels=5, classes=4):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(size, channels, 3, 4, generator=generator)
    labels = torch.randint(UNLABELLED, classes, (size, 3, 4), generator=generator)
    return x / x.norm(dim=1, keepdim=True), labels


def equation_two(batches):
    """The mean over all images of the mean over a class's pixels in an image."""
    found = {}
    for features, labels in batches:
        for b in range(len(features)):
            for c in range(4):
                own = [features[b, :, i, j] for i in range(3) for j in range(4)
                       if labels[b, i, j] == c]
                if own:
                    found.setdefault(c, []).append(sum(own) / len(own))
    return {c: sum(rows) / len(rows) for c, rows in found.items()}


def test_prototypes_are_equation_two_over_the_window():
    made, batches = bank(), [batch(seed) for seed in range(7)]
    for i, one in enumerate(batches):
        made.update(one)
        expected = equation_two(batches[max(0, i - 2):i + 1])
        prototypes, valid = made.prototypes()
        assert valid.nonzero().flatten().tolist() == sorted(expected)
        for c, row in expected.items():
            torch.testing.assert_close(prototypes[c], row, rtol=0, atol=2e-6)
        assert (prototypes[valid].norm(dim=1) < 0.95).any()  # not normalised again


def test_both_views_count_as_images():
    made, (first, second) = bank(), (batch(0), batch(1))
    made.update(first, second)
    expected = equation_two([first, second])
    for c, row in expected.items():
        torch.testing.assert_close(made.prototypes()[0][c], row, rtol=0, atol=2e-6)
    assert int(made.total_images.sum()) == int(made.window_images.sum()) > 4
    assert int(made.updates) == 1


def test_nothing_drifts():
    made = PrototypeBank(['x', 'y'], 3, 5, 1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(10_000):
        x = torch.randn(1, 3, 1, 2, generator=generator)
        made.update((x / x.norm(dim=1, keepdim=True),
                     torch.randint(-1, 2, (1, 1, 2), generator=generator)))
    assert torch.equal(made.total, made.window.sum(0))
    assert torch.equal(made.total_images, made.window_images.sum(0))


def test_a_class_that_left_the_window_has_no_prototype():
    made = bank()
    features = batch(0)[0]
    made.update((features, torch.full((2, 3, 4), 3)))
    assert made.prototypes()[1].tolist() == [False, False, False, True]
    for _ in range(3):
        made.update((features, torch.zeros(2, 3, 4).long()))
    prototypes, valid = made.prototypes()
    assert valid.tolist() == [True, False, False, False] and not prototypes[1:].any()


def test_the_order_of_images_does_not_matter():
    first, second = bank(batch_size=3, images=3), bank(batch_size=3, images=3)
    features, labels = batch(0, 3)
    first.update((features, labels))
    second.update((features.flip(0), labels.flip(0)))
    assert torch.equal(first.total, second.total)


def test_a_checkpoint_goes_on():
    made, later = bank(), bank()
    for seed in range(4):
        made.update(batch(seed))
    later.load_state_dict(copy.deepcopy(made.state_dict()))
    for seed in range(4, 9):
        made.update(batch(seed))
        later.update(batch(seed))
    for key, value in made.state_dict().items():
        assert torch.equal(value, later.state_dict()[key]), key


def test_statistics():
    made = bank()
    assert made.statistics().coverage == 0 and math.isnan(made.statistics().norm)
    made.update(batch(0, classes=3))
    prototypes = made.prototypes()[0][:3]
    found = made.statistics()
    assert found.coverage == 0.75
    assert found.norm == pytest.approx(sum(float(p.norm()) for p in prototypes) / 3)
    pairs = [float(torch.cosine_similarity(prototypes[i], prototypes[j], dim=0))
             for i in range(3) for j in range(3) if i != j]
    assert found.similarity == pytest.approx(sum(pairs) / 6, abs=1e-5)
    made = bank()
    made.update((batch(0)[0], torch.zeros(2, 3, 4).long()))
    assert math.isnan(made.statistics().similarity)


def test_empty_batches_are_taken_in():
    made = bank()
    made.update((batch(0)[0], torch.full((2, 3, 4), UNLABELLED)))
    assert not made.prototypes()[1].any() and int(made.updates) == 1


@pytest.mark.parametrize(('arguments', 'words'), [
    ((CLASSES, 5, 6, 0), 'batch_size=0: a whole number above 0'),
    ((CLASSES, 5, 2.5, 2), 'images=2.5: a whole number'),
    ((CLASSES, 5, 6, 8), 'images=6 holds no batch of 8'),
    (('road', 5, 6, 2), "classes='road': a list of names"),
    (([], 5, 6, 2), r'classes=\[\]: a list of names')])
def test_banks_that_cannot_be(arguments, words):
    with pytest.raises(ValueError, match=words):
        PrototypeBank(*arguments)


def test_batches_that_cannot_be():
    made = bank()
    features, labels = batch(0)
    with pytest.raises(ValueError, match=r'label 4 is outside 0\.\.3'):
        made.update((features, labels.clamp(min=4)))
    with pytest.raises(ValueError, match='embeddings have 4 channels, the bank 5'):
        made.update((features[:, 1:], labels))
    with pytest.raises(FloatingPointError, match='not finite'):
        made.update((features * torch.nan, labels))
    assert int(made.updates) == 0 and not made.total.any()


def test_large_batches_do_not_overflow():
    made = PrototypeBank(CLASSES[:2], 1, 8192, 4096)
    ones = torch.ones(4096, 1, 1, 1), torch.zeros(4096, 1, 1).long()
    for _ in range(4):
        made.update(ones, ones)
        assert made.prototypes()[0].flatten().tolist() == [1.0, 0.0]
    assert bank().window.dtype == torch.int32 and made.window.dtype == torch.int64


def test_a_window_that_is_not_known_yet():
    made = PrototypeBank(CLASSES, 5)
    with pytest.raises(ValueError, match='how many batches the window holds is not known'):
        made.update(batch(0))
    made.set_window(6, 2)
    assert made.num_batches == 3
    full = bank()
    full.update(batch(0))
    late = PrototypeBank(CLASSES, 5)
    late.load_state_dict(full.state_dict())
    assert torch.equal(late.prototypes()[0], full.prototypes()[0]) and late.num_batches == 3


def test_weights_of_another_bank_are_refused():
    made = bank()
    with pytest.raises(ValueError, match='the batch size or the window are others'):
        bank(images=8).load_state_dict(made.state_dict())
    other = PrototypeBank(CLASSES[::-1], 5, 6, 2)
    with pytest.raises(ValueError, match='prototypes of 4 other classes, or in another order'):
        other.load_state_dict(made.state_dict())
