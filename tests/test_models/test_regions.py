"""The queue of regions against one that is kept by hand."""

from collections import defaultdict, deque

import pytest
import torch
import torch.nn.functional as F

from mmseg_multids.functional.contrast import UNLABELLED
from mmseg_multids.models.regions import RegionQueue


def batch(seed):
    generator = torch.Generator().manual_seed(seed)
    features = F.normalize(torch.randn(3, 5, 2, 4, generator=generator), dim=1)
    return features, torch.randint(UNLABELLED, 4, (3, 2, 4), generator=generator)


def test_the_last_regions_of_each_class_are_kept():
    made, expected = RegionQueue(4, 5, 3), defaultdict(lambda: deque(maxlen=3))
    for seed in range(6):
        features, labels = batch(seed)
        for feature, label in zip(features, labels):
            for c in range(4):
                if (label == c).any():
                    expected[c].append(F.normalize(feature[:, label == c].mean(1), dim=0))
        made.update((features, labels))
        regions, classes = made.stored()
        assert classes.tolist() == [c for c in range(4) for _ in expected[c]]
        for c in range(4):
            found = sorted(row.tolist() for row in regions[classes == c])
            wanted = sorted(row.tolist() for row in expected[c])
            torch.testing.assert_close(torch.tensor(found), torch.tensor(wanted))


def test_more_regions_than_there_is_room_for():
    made = RegionQueue(2, 5, 2)
    features = F.normalize(torch.randn(5, 5, 1, 1), dim=1)
    made.update((features, torch.zeros(5, 1, 1).long()))
    torch.testing.assert_close(made.stored()[0].sum(0), features[-2:, :, 0, 0].sum(0))


def test_nothing_is_put_in_without_labels():
    made = RegionQueue(4, 5, 3)
    made.update((batch(0)[0], torch.full((3, 2, 4), UNLABELLED)))
    assert not len(made.stored()[0])
    with pytest.raises(ValueError, match='length=0: at least 1'):
        RegionQueue(4, 5, 0)
