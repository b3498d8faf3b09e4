"""Mixing images (MDP, Eqs. 4 and 5)."""

import pytest
import torch

from mmseg_multids.functional.mixing import (
    Box,
    blend,
    partners_of_other_datasets,
    paste,
    random_box,
)


@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 1.0])
def test_boxes_are_inside_and_of_the_share(share):
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(50):
        box = random_box((20, 40), share, generator)
        assert 0 <= box.top and box.top + box.height <= 20
        assert 0 <= box.left and box.left + box.width <= 40
        assert box.height * box.width / 800 == pytest.approx(share, abs=0.04)
        seen.add(box)
    assert (len(seen) == 1) == (share == 1.0)


def test_pasting_is_equation_four():
    first, second = torch.randn(2, 3, 6, 8), torch.randn(2, 3, 6, 8)
    box = Box(1, 2, 3, 4)
    found = paste(first, second, box)
    for i in range(6):
        for j in range(8):
            inside = 1 <= i < 4 and 2 <= j < 6
            mask = 0 if inside else 1
            expected = mask * first[:, :, i, j] + (1 - mask) * second[:, :, i, j]
            assert torch.equal(found[:, :, i, j], expected)
    labels = paste(torch.zeros(6, 8).long(), torch.ones(6, 8).long(), box)
    assert int(labels.sum()) == 12 and labels[1, 2] == 1


def test_blending_is_equation_five():
    first, second = torch.randn(3, 4, 4), torch.randn(3, 4, 4)
    torch.testing.assert_close(blend(first, second, 0.3), 0.3 * first + 0.7 * second)
    assert torch.equal(blend(first, second, 1.0), first)


def test_partners_are_of_other_datasets():
    names = ['a', 'a', 'b', 'c']
    drawn = [partners_of_other_datasets(names) for _ in range(100)]
    assert all(names[i] != names[j] for one in drawn for i, j in enumerate(one))
    assert {one[0] for one in drawn} == {2, 3} and {one[3] for one in drawn} == {0, 1, 2}
    assert partners_of_other_datasets(['a', 'a']) == [0, 1]


def test_what_cannot_be_mixed():
    with pytest.raises(ValueError, match='share=1.5: a number from 0 to 1'):
        random_box((4, 4), 1.5)
    with pytest.raises(ValueError, match='share=-1'):
        blend(torch.zeros(2), torch.zeros(2), -1)
    with pytest.raises(ValueError, match=r'shapes \[2\] and \[3\] differ'):
        blend(torch.zeros(2), torch.zeros(3), 0.5)
