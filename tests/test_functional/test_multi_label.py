import numpy as np
import pytest
import torch

from mmseg_multids.functional import multi_label_maps, sum_node_logits


def slow(logits, classes, activation, threshold):
    """The maps, pixel by pixel and in double precision."""
    batch, count, height, width = logits.shape
    own, own_node, other, combined = (np.zeros((batch, height, width), int) for _ in range(4))
    score = np.zeros((batch, height, width))
    for place in np.ndindex(batch, height, width):
        pixel = [float(logits[(place[0], n, *place[1:])]) for n in range(count)]
        if activation == 'sigmoid':
            scores = [1 / (1 + np.exp(-x)) for x in pixel]
        else:
            scores = list(np.exp(pixel) / np.exp(pixel).sum())
        sums = {}
        for node, c in enumerate(classes):
            if c >= 0:
                sums[c] = sums.get(c, 0) + pixel[node]
        own[place] = max(sorted(sums), key=lambda c: sums[c])
        mine = [n for n, c in enumerate(classes) if c == own[place]]
        own_node[place] = max(mine, key=lambda n: pixel[n])
        rest = [n for n, c in enumerate(classes) if c == -1]
        other[place] = max(rest, key=lambda n: pixel[n]) if rest else -1
        score[place] = scores[other[place]] if rest else 0
        combined[place] = other[place] if score[place] > threshold else own_node[place]
    return own, own_node, other, score, combined


@pytest.mark.parametrize('activation', ['softmax', 'sigmoid'])
@pytest.mark.parametrize('classes', [
    [0, 1, -1, 2, -1, -1], [2, -1, 0, -1, 1, -1], [0, 1, 0, -1, 1, 1], [1, 0, 2, 3, 4, 5]],
    ids=['in order', 'other order', 'several nodes', 'no other node'])
def test_a_slow_loop_gives_the_same(classes, activation):
    logits = torch.randn(2, 6, 4, 5, dtype=torch.double, generator=torch.manual_seed(0)) * 3
    threshold = 0.3
    maps = multi_label_maps(logits, torch.tensor(classes), activation)
    expected = slow(logits, classes, activation, threshold)
    for found, wanted in zip((maps.own, maps.own_node, maps.other), expected):
        assert found.dtype == torch.int64
        np.testing.assert_array_equal(found, wanted)
    assert maps.other_score.dtype == torch.float32
    np.testing.assert_allclose(maps.other_score, expected[3], rtol=1e-5)
    np.testing.assert_array_equal(maps.combine(threshold), expected[4])


def test_ties_go_to_the_smaller_id():
    logits = torch.zeros(1, 6, 1, 1)
    maps = multi_label_maps(logits, torch.tensor([1, 1, -1, 0, 0, -1]), 'sigmoid')
    assert [m.item() for m in maps] == [0, 3, 2, 0.5]
    assert maps.combine(0.5).item() == 3  # replaced above the threshold only
    assert maps.combine(0.49).item() == 2


def test_a_dataset_that_has_every_node_keeps_its_classes():
    maps = multi_label_maps(torch.randn(1, 3, 2, 2), torch.tensor([2, 0, 1]))
    assert (maps.other == -1).all() and (maps.other_score == 0).all()
    assert torch.equal(maps.combine(0.0), maps.own_node)
    assert torch.equal(torch.tensor([2, 0, 1])[maps.own_node], maps.own)


def test_the_own_class_is_that_of_the_read_out():
    logits = torch.randn(2, 7, 5, 5, generator=torch.manual_seed(1))
    classes = torch.tensor([0, 1, -1, 0, 1, 0, 2])
    summed = sum_node_logits(logits, classes, 3)
    assert torch.equal(multi_label_maps(logits, classes).own, summed.argmax(dim=1))
    mean = summed / torch.tensor([3, 2, 1])[:, None, None]
    maps = multi_label_maps(logits, classes, class_logits=mean)
    assert torch.equal(maps.own, mean.argmax(dim=1))
    assert torch.equal(classes[maps.own_node], maps.own)


@pytest.mark.parametrize('activation', ['softmax', 'sigmoid'])
def test_scores_of_large_half_precision_logits_are_finite(activation):
    logits = torch.tensor([300.0, 299.0, -300.0]).half().view(1, 3, 1, 1)
    maps = multi_label_maps(logits, torch.tensor([0, -1, 1]), activation)
    expected = 1.0 if activation == 'sigmoid' else 1 / (1 + np.e)
    assert maps.other_score.item() == pytest.approx(expected, rel=1e-3)


def test_the_logits_stay_as_they_are():
    logits = torch.randn(1, 4, 3, 3)
    before = logits.clone()
    multi_label_maps(logits, torch.tensor([0, 1, -1, -1]))
    multi_label_maps(logits, torch.tensor([0, 0, 1, -1]))
    assert torch.equal(logits, before)


@pytest.mark.parametrize(('classes', 'activation', 'words'), [
    ([0, 1], 'softmax', 'has 3 nodes .* has 2'),
    ([-1, -1, -1], 'softmax', 'no class'),
    ([0, 1, -1], 'tanh', "'tanh': allowed are softmax, sigmoid")])
def test_what_does_not_fit_is_refused(classes, activation, words):
    with pytest.raises(ValueError, match=words):
        multi_label_maps(torch.zeros(1, 3, 2, 2), torch.tensor(classes), activation)
