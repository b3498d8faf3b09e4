"""Batch normalisation per dataset (CDCL, Eq. 1 and 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def mixture_moments(mean: Tensor, var: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of the equal mixture of S distributions.

    Shapes:
        - mean, var: [S, C]; output: [C], [C]
    """
    middle = mean.mean(dim=0)
    return middle, (var + (mean - middle).square()).mean(dim=0)


def statistics_distance(x: Tensor, mean: Tensor, var: Tensor, eps: float) -> Tensor:
    """Return how far each sample's statistics are from given ones.

    The Kullback-Leibler divergence of the Gaussian of the given moments from that of the sample's,
    per channel, averaged over channels. It does not depend on a channel's scale, and does not
    prefer given moments of a large variance.

    Shapes:
        - x: [B, C, *]; mean, var: [C]; output: [B], float32
    """
    flat = x.float().flatten(2)  # [B, C, pixels]
    own_mean, own_var = flat.mean(dim=2), flat.var(dim=2, unbiased=False) + eps
    var = var + eps
    divergence = (own_var + (own_mean - mean).square()) / var - 1 + (var / own_var).log()
    return 0.5 * divergence.mean(dim=1)


class SynchronisedBatchNorm(torch.autograd.Function):
    """Batch normalisation per group with statistics over all processes.

    Torch's own works on GPUs only and knows one group; this one is written in plain tensor
    operations and works with any backend. Each pass has one collective, whatever groups a process
    has, so processes whose batches hold different datasets do not wait for each other for ever.

    ``apply(x, weight, bias, sizes, rows, num_rows, eps, gather)`` returns the output and the
    statistics over all processes: means, biased variances (both [S, C]) and counts [S].

    Args of ``apply``:
        x: Contiguous groups of samples. Shape [B, C, *].
        weight: Scale of each group's row, or ``None``. Shape [G, C].
        bias: Shift of each group's row, or ``None``. Shape [G, C].
        sizes: Samples of each group; they add up to B.
        rows: Row of the statistics of each group.
        num_rows: Number of rows S.
        eps: Added to the variance.
        gather: From this process's tensor to all processes' [world, ...].
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor | None, bias: Tensor | None, sizes: Sequence[int],
                rows: Sequence[int], num_rows: int, eps: float,
                gather: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Normalise; see the class."""
        channels, dims = x.shape[1], [0, *range(2, x.dim())]
        dtype = torch.promote_types(x.dtype, torch.float32)
        local = x.new_zeros((num_rows, 2 * channels + 1), dtype=dtype)  # mean | variance | count
        for part, row in zip(x.split(sizes), rows):
            part = part.to(dtype)
            var, mean = torch.var_mean(part, dim=dims, unbiased=False)
            local[row] = torch.cat([mean, var, var.new_tensor([part.numel() / channels])])
        means, variances, counts = gather(local).split([channels, channels, 1], dim=2)
        counted = counts.sum(dim=0)  # [S, 1]
        count = counted.clamp(min=1)
        counted = counted.squeeze(1)
        mean = (means * counts).sum(dim=0) / count  # [S, C]
        var = ((variances + (means - mean).square()) * counts).sum(dim=0) / count
        invstd = (var + eps).rsqrt()
        out = torch.empty_like(x)
        view = [1, channels] + [1] * (x.dim() - 2)
        for i, (part, target, row) in enumerate(zip(x.split(sizes), out.split(sizes), rows)):
            scale = invstd[row] if weight is None else invstd[row] * weight[i]
            shift = -mean[row] * scale if bias is None else bias[i] - mean[row] * scale
            target.copy_(part.to(dtype) * scale.view(view) + shift.view(view))
        ctx.save_for_backward(x, weight, mean, invstd, count)
        ctx.layout = sizes, rows, gather, bias is not None
        ctx.mark_non_differentiable(mean, var, counted)
        return out, mean, var, counted

    @staticmethod
    def backward(ctx, grad: Tensor, *_) -> tuple:
        """Return the gradients of ``x``, ``weight`` and ``bias``."""
        x, weight, mean, invstd, count = ctx.saved_tensors
        sizes, rows, gather, has_bias = ctx.layout
        channels, dims, dtype = x.shape[1], [0, *range(2, x.dim())], mean.dtype
        view = [1, channels] + [1] * (x.dim() - 2)
        parts, local = [], mean.new_zeros((len(mean), 2 * channels))  # sums of dy | of dy * x_hat
        for part, dy, row in zip(x.split(sizes), grad.split(sizes), rows):
            x_hat = (part.to(dtype) - mean[row].view(view)) * invstd[row].view(view)
            dy = dy.to(dtype)
            parts.append((x_hat, dy))
            local[row] = torch.cat([dy.sum(dim=dims), (dy * x_hat).sum(dim=dims)])
        sums, products = (gather(local).sum(dim=0) / count).split([channels, channels], dim=1)
        grad_x = torch.empty_like(x)
        for i, ((x_hat, dy), target, row) in enumerate(zip(parts, grad_x.split(sizes), rows)):
            scale = invstd[row] if weight is None else invstd[row] * weight[i]
            inner = dy - sums[row].view(view) - x_hat * products[row].view(view)
            target.copy_(inner * scale.view(view))
        own = local[list(rows)]  # the optimiser's own all-reduce averages these, as any gradient
        grad_weight = None if weight is None else own[:, channels:].to(weight.dtype)
        grad_bias = own[:, :channels].to(mean.dtype) if has_bias else None
        return grad_x, grad_weight, grad_bias, None, None, None, None, None
