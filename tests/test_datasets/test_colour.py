"""Random colours and blur."""

import cv2
import numpy as np
import pytest

from mmseg_multids.datasets.transforms import (
    PretrainViews,
    RandomColourJitter,
    RandomGaussianBlur,
)


def image(seed=0, size=(40, 48)):
    return np.random.default_rng(seed).integers(40, 200, (*size, 3), dtype=np.uint8)


def drawn(transform, given, count=200, seed=0):
    np.random.seed(seed)
    return [transform({'img': given, 'gt_seg_map': given[..., 0]})['img'] for _ in range(count)]


def test_brightness_is_changed_by_at_most_a_tenth():
    given = np.full((4, 4, 3), 100, np.uint8)
    values = [int(out[0, 0, 0]) for out in
              drawn(RandomColourJitter(0.1, 0, 0, 0), given)]
    assert 90 <= min(values) < 93 and 107 < max(values) <= 110
    assert abs(np.mean(values) - 100) < 1.5


def test_hue_alone_keeps_the_brightest_channel():
    given = image()
    outs = drawn(RandomColourJitter(0, 0, 0, 0.1), given, 30)
    for out in outs:
        assert np.abs(out.max(-1).astype(int) - given.max(-1)).max() <= 2
        turns = cv2.cvtColor(out, cv2.COLOR_BGR2HSV)[..., 0].astype(int) \
            - cv2.cvtColor(given, cv2.COLOR_BGR2HSV)[..., 0]
        colourful = given.max(-1).astype(int) - given.min(-1) > 80
        turns = (turns[colourful] + 90) % 180 - 90
        assert np.abs(turns).max() <= 180 * 0.1 + 3 and turns.std() < 2  # one turn for all pixels
    assert any((out != given).any() for out in outs)


def test_saturation_leaves_grey_alone():
    given = np.repeat(image()[..., :1], 3, axis=2)
    for out in drawn(RandomColourJitter(0, 0, 0.5, 0), given, 10):
        assert np.abs(out.astype(int) - given).max() <= 1


def test_labels_stay_and_probabilities_hold():
    given, labels = image(), np.zeros((40, 48), np.uint8)
    for transform in (RandomColourJitter(prob=0.3), RandomGaussianBlur(prob=0.3)):
        np.random.seed(1)
        changed = []
        for _ in range(300):
            results = transform({'img': given.copy(), 'gt_seg_map': labels,
                                 'seg_fields': ['gt_seg_map']})
            changed.append((results['img'] != given).any())
            assert results['gt_seg_map'] is labels and results['img'].dtype == np.uint8
        assert 0.2 < np.mean(changed) < 0.4


def test_blur_has_the_width_that_was_drawn():
    """Across an edge the slopes are the Gaussian: their spread is its variance."""
    given = np.zeros((41, 41, 3), np.uint8)
    given[:, 20:] = 250
    for sigma in (1.0, 2.0):
        out, = drawn(RandomGaussianBlur((sigma, sigma), 1.0), given, 1)
        slopes = np.diff(out[20, :, 0].astype(float)) / 250
        assert abs((slopes * (np.arange(40) - 19) ** 2).sum() - sigma ** 2) < 0.1 * sigma ** 2
    sharp, = drawn(RandomGaussianBlur((0, 0), 1.0), given, 1)
    assert np.array_equal(sharp, given)


def test_views_for_pretraining_share_them(monkeypatch):
    given = image()
    np.random.seed(3)
    views = PretrainViews((40, 48), area_range=(1, 1), ratio_range=(1.2, 1.2), flip=0, jitter=1,
                          grey=0, blur=0, views=1, twins=0)
    calls = []
    monkeypatch.setattr('mmseg_multids.datasets.transforms.views.jittered',
                        lambda array, most: calls.append(most) or array)
    views({'img': given})
    assert calls == [(0.4, 0.4, 0.4, 0.1)]


@pytest.mark.parametrize(('build', 'words'), [
    (lambda: RandomColourJitter(hue=0.6), 'hue=0.6: a number from 0 to 0.5'),
    (lambda: RandomColourJitter(contrast=-0.1), 'contrast=-0.1'),
    (lambda: RandomColourJitter(prob=2), 'prob=2'),
    (lambda: RandomGaussianBlur((2, 1)), 'smallest <= largest'),
    (lambda: RandomGaussianBlur(prob=-1), 'prob=-1')])
def test_refusals(build, words):
    with pytest.raises(ValueError, match=words):
        build()
