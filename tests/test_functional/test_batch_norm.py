import pytest
import torch
from torch import nn

from mmseg_multids.functional.batch_norm import (
    SynchronisedBatchNorm,
    mixture_moments,
    statistics_distance,
)


def alone(tensor):
    return tensor.unsqueeze(0)


def as_two_processes(tensor):
    """The other process has the same numbers: statistics stay, counts double."""
    return torch.stack([tensor, tensor])


def test_gradients_are_those_of_finite_differences():
    x = torch.randn(5, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)

    def run(x, weight, bias):
        return SynchronisedBatchNorm.apply(x, weight, bias, [2, 3], [2, 0], 3, 1e-5, alone)[0]

    assert torch.autograd.gradcheck(run, (x, weight, bias))


@pytest.mark.parametrize('affine', [True, False])
@pytest.mark.parametrize('gather', [alone, as_two_processes])
def test_each_group_equals_a_batch_norm_of_its_own(affine, gather):
    torch.manual_seed(0)
    x = torch.randn(5, 3, 4, 4) * 3 + 7
    layers = [nn.BatchNorm2d(3, affine=affine) for _ in range(2)]
    weight = bias = None
    if affine:
        weight, bias = torch.randn(2, 3), torch.randn(2, 3)
        for layer, w, b in zip(layers, weight, bias):
            layer.weight.data, layer.bias.data = w.clone(), b.clone()
        weight.requires_grad_()
        bias.requires_grad_()
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    out, mean, var, count = SynchronisedBatchNorm.apply(ours, weight, bias, [2, 3], [1, 0], 2,
                                                        1e-5, gather)
    expected = torch.cat([layers[0](theirs[:2]), layers[1](theirs[2:])])
    torch.testing.assert_close(out, expected)
    goal = torch.randn_like(out)
    out.backward(goal)
    expected.backward(goal)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)
    if affine:
        torch.testing.assert_close(weight.grad, torch.stack([m.weight.grad for m in layers]))
        torch.testing.assert_close(bias.grad, torch.stack([m.bias.grad for m in layers]))
    worlds = 1 if gather is alone else 2
    assert count.tolist() == [3 * 16 * worlds, 2 * 16 * worlds]
    torch.testing.assert_close(mean[1], x[:2].mean(dim=(0, 2, 3)))
    torch.testing.assert_close(var[1], x[:2].var(dim=(0, 2, 3), unbiased=False))


def test_large_means_lose_no_precision():
    x = torch.randn(4, 2, 8, 8) + 1e4
    out = SynchronisedBatchNorm.apply(x, None, None, [4], [0], 1, 0.0, alone)[0]
    torch.testing.assert_close(out.std(unbiased=False), torch.tensor(1.0), rtol=1e-3, atol=0)


def test_mixture_moments_are_those_of_the_pooled_samples():
    torch.manual_seed(1)
    samples = torch.randn(3, 500, 4) * torch.rand(3, 1, 4) + torch.randn(3, 1, 4)
    mean, var = mixture_moments(samples.mean(dim=1), samples.var(dim=1, unbiased=False))
    pooled = samples.reshape(-1, 4)
    torch.testing.assert_close(mean, pooled.mean(dim=0))
    torch.testing.assert_close(var, pooled.var(dim=0, unbiased=False))


def test_distance_is_zero_for_the_samples_own_moments_and_grows():
    torch.manual_seed(2)
    x = torch.randn(1, 3, 5, 6)
    mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), unbiased=False)
    assert statistics_distance(x, mean, var, 1e-5).item() == pytest.approx(0, abs=1e-6)
    shifted = [statistics_distance(x + d, mean, var, 0.0).item() for d in (0.5, 1.0, 2.0)]
    assert shifted[0] < shifted[1] < shifted[2]
    expected = sum(0.5 / v for v in var.tolist()) / 3  # a shift by 1, written out
    assert shifted[1] == pytest.approx(expected, rel=1e-4)
    assert statistics_distance(x.repeat(4, 1, 1, 1), mean, var, 1e-5).shape == (4,)


@pytest.mark.parametrize('scale', [0.01, 100.0])
def test_distance_does_not_depend_on_a_channels_scale(scale):
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    mean, var = torch.tensor([0.1, -0.2, 0.3]), torch.tensor([2.0, 0.5, 1.0])
    torch.testing.assert_close(statistics_distance(x * scale, mean * scale, var * scale ** 2, 0.0),
                               statistics_distance(x, mean, var, 0.0))
