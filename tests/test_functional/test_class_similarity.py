"""Mean similarities against a loop over pixels (UniSeg, Eq. 7)."""

import pytest
import torch
import torch.nn.functional as F

from mmseg_multids.functional import add_class_similarities, strips


@pytest.mark.parametrize('strip_bytes', [4 * 2 ** 20, 3000])
@pytest.mark.parametrize('size', [(6, 7), (24, 28), (13, 131)])
def test_sums_equal_the_loop(monkeypatch, strip_bytes, size):
    monkeypatch.setitem(strips._STRIP_BYTES, 'cpu', strip_bytes)
    generator = torch.Generator().manual_seed(0)
    sums, counts = torch.zeros(4, 5, dtype=torch.float64), torch.zeros(4, dtype=torch.long)
    expected, pixels = torch.zeros(4, 5, dtype=torch.float64), [0] * 4
    for _ in range(2):
        similarity = torch.randn(2, 5, 6, 7, generator=generator)
        labels = torch.randint(0, 3, (2, *size), generator=generator)
        labels[:, :2] = 255
        add_class_similarities(sums, counts, similarity, labels)
        large = F.interpolate(similarity, size=size, mode='bilinear').double()
        for b in range(2):
            for i in range(size[0]):
                for j in range(size[1]):
                    if labels[b, i, j] != 255:
                        expected[labels[b, i, j]] += large[b, :, i, j]
                        pixels[labels[b, i, j]] += 1
    assert counts.tolist() == pixels and pixels[3] == 0
    torch.testing.assert_close(sums, expected, rtol=1e-5, atol=1e-4)


def test_ids_are_checked():
    with pytest.raises(ValueError, match='label id 4 is outside 0..3'):
        add_class_similarities(torch.zeros(4, 5, dtype=torch.float64), torch.zeros(4).long(),
                               torch.zeros(1, 5, 2, 2), torch.full((1, 2, 2), 4))
