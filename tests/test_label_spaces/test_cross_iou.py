"""IoU of heads across datasets, the search of a mapping, pruning, and links."""

from itertools import product

import numpy as np
import pytest

from mmseg_multids.label_spaces import LabelSpace, UnifiedLabelSpace
from mmseg_multids.label_spaces.cross_iou import (
    cross_ious,
    iou_of_confusion,
    iou_of_mapping,
    iou_without_each,
    search_mapping,
)
from mmseg_multids.label_spaces.links import links_of, score_links
from mmseg_multids.label_spaces.pruning import kept_links


def mean_iou(confusion, mapping):
    labelled = confusion.sum(1)
    ious = []
    for c in np.flatnonzero(labelled):
        chosen = np.flatnonzero(mapping == c)
        hits, taken = confusion[c, chosen].sum(), confusion[:, chosen].sum()
        ious.append(hits / (labelled[c] + taken - hits))
    return np.mean(ious)


def test_iou_is_that_of_two_regions():
    labels = np.array([0, 0, 1, 1, 1, 2])
    predicted = np.array([0, 1, 1, 1, 0, 3])
    confusion = np.zeros((4, 4), int)
    np.add.at(confusion, (labels, predicted), 1)
    found = iou_of_confusion(confusion)
    for c, p in product(range(3), range(4)):
        a, b = labels == c, predicted == p
        assert found[c, p] == pytest.approx((a & b).sum() / (a | b).sum())
    assert np.isnan(found[3]).all()  # on no pixel


def test_every_pair_has_a_matrix():
    confusions = {a: {b: np.eye(2) for b in 'xy'} for a in 'xy'}
    found = cross_ious(confusions)
    assert set(found) == set(product('xy', 'xy')) and found['x', 'y'].tolist() == np.eye(2).tolist()


@pytest.mark.parametrize('seed', range(12))
def test_the_searched_mapping_is_near_the_best(seed):
    rng = np.random.default_rng(seed)
    confusion = rng.integers(0, 30, (3, 6)) * (rng.random((3, 6)) < 0.6)
    confusion[0, 0] += 1
    best = max(mean_iou(confusion, np.array(mapping))
               for mapping in product(range(-1, 3), repeat=6))
    found = search_mapping(confusion)
    assert mean_iou(confusion, found) >= 0.97 * best
    # No single change helps.
    for p, c in product(range(6), range(-1, 3)):
        other = found.copy()
        other[p] = c
        assert mean_iou(confusion, other) <= mean_iou(confusion, found) + 1e-12


@pytest.mark.parametrize('seed', range(4))
def test_scores_of_a_mapping_are_those_of_its_label_maps(seed):
    """Pixel by pixel: the IoU of each class, and what is left of it when a node says nothing."""
    rng = np.random.default_rng(seed)
    labels, nodes = rng.integers(0, 3, 200), rng.integers(0, 5, 200)
    confusion = np.zeros((4, 5), int)  # class 3 is on no pixel
    np.add.at(confusion, (labels, nodes), 1)
    mapping = np.array([0, 1, 0, -1, 2])

    def iou(classes, c):
        predicted = classes[nodes]
        return ((labels == c) & (predicted == c)).sum() / ((labels == c) | (predicted == c)).sum()

    found = iou_of_mapping(confusion, mapping)
    assert found[:3] == pytest.approx([iou(mapping, c) for c in range(3)]) and np.isnan(found[3])
    without = iou_without_each(confusion, mapping)
    for node, c in enumerate(mapping):
        if c < 0:
            assert np.isnan(without[node])
        else:
            others = np.where(np.arange(5) == node, -1, mapping)
            assert without[node] == pytest.approx(iou(others, c))
    assert without[0] > 0 and without[1] == 0  # class 0 has another node, class 1 has none
    # A class that no pixel has, and a node that stands for it all the same.
    assert np.isnan(iou_without_each(confusion, np.array([3, 1, 0, -1, 2]))[0])


def test_predictions_that_only_harm_stand_for_nothing():
    confusion = np.array([[90, 0, 1], [0, 50, 0], [0, 0, 0]])
    confusion[1, 2] = 1
    assert search_mapping(np.array([[90, 0], [0, 0]])).tolist() == [0, -1]
    with pytest.raises(ValueError, match='no pixel is labelled'):
        search_mapping(np.zeros((2, 2)))


def test_links_without_a_pixel_go_and_each_class_keeps_one():
    classes = np.array([0, 0, 1, 1, 2, -1])
    usage = np.array([5, 0, 0, 0, 7, 9])
    assert kept_links(classes, usage, 3).tolist() == [0, -1, 1, -1, 2, -1]
    assert kept_links(classes, np.array([95, 5, 6, 94, 1, 0]), 3, 0.05).tolist() == [
        0, -1, 1, 1, 2, -1]


def test_wrong_arguments_of_pruning():
    with pytest.raises(ValueError, match='2 nodes, but the usage of 3'):
        kept_links(np.zeros(2, int), np.zeros(3), 1)
    with pytest.raises(ValueError, match='min_share=1'):
        kept_links(np.zeros(2, int), np.zeros(2), 1, 1)


def test_links_are_pairs_that_share_a_node():
    a, b = LabelSpace('a', ['road', 'car']), LabelSpace('b', ['ground', 'vehicle'])
    space = UnifiedLabelSpace(['x', 'y', 'z'], [a, b], {'a': [0, 1, -1], 'b': [0, -1, 1]})
    found = links_of(space)
    assert found == {(('a', 'road'), ('b', 'ground'))}
    true = found | {(('a', 'car'), ('b', 'vehicle'))}
    scores = score_links(found, true)
    assert (scores.precision, scores.recall) == (1, 0.5) and scores.f1 == pytest.approx(2 / 3)
    assert score_links(set(), true).f1 == score_links(found, set()).f1 == 0
