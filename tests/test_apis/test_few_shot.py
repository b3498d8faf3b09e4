"""Choosing few labelled images."""

from fractions import Fraction

import numpy as np
import pytest

from mmseg_multids.apis.few_shot import (
    choose_fraction,
    choose_shots,
    classes_shown,
    format_shots,
    read_fraction,
    whole_split,
)
from mmseg_multids.datasets.label_maps import LabelMaps

from .test_build_centroids import small


def table(rng, images=300, shares=(0.9, 0.5, 0.2, 0.05)):
    return rng.random((images, len(shares))) < np.array(shares)


def test_each_class_gets_images_of_its_own():
    shows = table(np.random.default_rng(0))
    found = choose_shots(shows, 10, seed=1)
    assert found.chosen == [10] * 4 and len(found.images) == 40  # no image twice
    assert found.images == sorted(found.images)
    assert found.shown == shows[found.images].sum(0).tolist() and min(found.shown) >= 10
    assert found.available == shows.sum(0).tolist()
    assert choose_shots(shows, 10, seed=1) == found
    assert choose_shots(shows, 10, seed=2).images != found.images


def test_rare_classes_choose_first():
    """Were the common class first, it might take the only image of the rare one."""
    shows = np.zeros((20, 2), dtype=bool)
    shows[:, 0] = True
    shows[[3, 8], 1] = True
    for seed in range(20):
        found = choose_shots(shows, 2, seed)
        assert {3, 8} <= set(found.images) and len(found.images) == 4
        assert found.chosen == [2, 2]


def test_classes_of_few_images_take_what_there_is():
    shows = np.zeros((6, 4), dtype=bool)
    shows[:, 0] = True
    shows[1, 1] = shows[1, 2] = True  # one image for both
    found = choose_shots(shows, 3)
    assert found.chosen == [3, 1, 1, 0] and found.available == [6, 1, 1, 0]
    assert 1 in found.images and len(found.images) == 4
    text = format_shots('city', ['a', 'b', 'c', 'd'], found, 3)
    assert "class 'b' has 1 images, fewer than 3" in text and "class 'd' has 0 images" in text
    assert "class 'a'" not in text and 'city: 4 images chosen' in text
    everything = choose_shots(shows, 6)
    assert everything.images == list(range(6)) and everything.chosen[0] == 6
    with pytest.raises(ValueError, match='shots=0'):
        choose_shots(shows, 0)


def test_smaller_shares_are_parts_of_larger_ones():
    shares = [Fraction(1, 1000), Fraction(1, 10), Fraction(1, 5), 0.5, 1]
    chosen = [choose_fraction(97, share, seed=3) for share in shares]
    assert [len(c) for c in chosen] == [1, 10, 19, 48, 97]
    for less, more in zip(chosen, chosen[1:]):
        assert set(less) < set(more) and more == sorted(more)
    assert chosen[1] != choose_fraction(97, shares[1], seed=4)
    # Evenly from everywhere, not from the beginning.
    assert 30 < np.mean([np.mean(choose_fraction(97, 0.1, seed)) for seed in range(50)]) < 66


def test_shares_are_read():
    assert read_fraction('1/10') == read_fraction('0.1') == Fraction(1, 10)
    for wrong in ('0', '-1/2', '3/2', 'half', '1/0'):
        with pytest.raises(ValueError, match=f'fraction .?{wrong}'):
            read_fraction(wrong)


def test_label_maps_are_read_as_in_training(repo):
    cfg = small(repo)
    maps = LabelMaps(whole_split(cfg, 'asia'), 'asia')
    shows = classes_shown(maps)
    for i in range(len(maps)):
        assert set(np.flatnonzero(shows[i])) == set(np.unique(maps[i])) - {255}
    assert np.array_equal(classes_shown(maps, workers=2), shows)


def test_what_a_config_is_restricted_to_does_not_count(repo):
    cfg = small(repo, subset='none_yet.txt')
    cfg.train_dataloader.dataset.datasets[0].splits.train.subset = 'neither.txt'
    assert whole_split(cfg, 'city').sizes == {'city': 6}
    assert cfg.train_dataloader.dataset.datasets[0].subset == 'none_yet.txt'  # stays as it was
    with pytest.raises(ValueError, match="'moon' is unknown"):
        whole_split(cfg, 'moon')
