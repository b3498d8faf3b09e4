"""Confusion counts against a loop over pixels."""

import pytest
import torch
import torch.nn.functional as F

from mmseg_multids.functional import add_confusions, strips


@pytest.mark.parametrize('strip_bytes', [4 * 2 ** 20, 3000])
@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('size', [(6, 7), (24, 28), (13, 131)])
def test_counts_equal_the_loop(monkeypatch, strip_bytes, align_corners, size):
    monkeypatch.setitem(strips._STRIP_BYTES, 'cpu', strip_bytes)
    generator = torch.Generator().manual_seed(0)
    counts, expected = torch.zeros(4, 5).long(), torch.zeros(4, 5).long()
    for _ in range(2):
        # In double precision no two logits are equal but for rounding.
        logits = torch.randn(2, 5, 6, 7, generator=generator, dtype=torch.float64)
        labels = torch.randint(0, 3, (2, *size), generator=generator)
        labels[:, :2] = 255
        add_confusions(counts, logits, labels, align_corners=align_corners)
        large = F.interpolate(logits, size=size, mode='bilinear', align_corners=align_corners)
        for b in range(2):
            for i in range(size[0]):
                for j in range(size[1]):
                    if labels[b, i, j] != 255:
                        expected[labels[b, i, j], large[b, :, i, j].argmax()] += 1
    assert counts.tolist() == expected.tolist()
    assert counts.sum() == 2 * 2 * (size[0] - 2) * size[1]


def test_images_without_labels_add_nothing():
    counts = torch.zeros(3, 2).long()
    add_confusions(counts, torch.randn(1, 2, 4, 4), torch.full((1, 8, 8), 255))
    assert not counts.any()


def test_ids_are_checked():
    with pytest.raises(ValueError, match='label id 4 is outside 0..3'):
        add_confusions(torch.zeros(4, 5).long(), torch.zeros(1, 5, 2, 2), torch.full((1, 2, 2), 4))
