"""Sums over many rows of losses that need a wide row of logits each, without holding all logits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

#: Bytes of a chunk's logits. On a CPU a chunk should stay in the cache; a GPU wants large kernels.
_CHUNK_BYTES = {'cpu': 2 * 2 ** 20}
_CHUNK_BYTES_ELSEWHERE = 64 * 2 ** 20

#: From embeddings [m, D], which pixels they are, and whether a gradient is needed, to the sum of
#: their losses and its gradient [m, D] (or None).
Rule = Callable[[Tensor, slice, bool], 'tuple[Tensor, Tensor | None]']


def softmax_rule(columns: Tensor, weight: Tensor, target: Callable[[slice], Tensor]) -> Rule:
    """Weighted log-sum-exp over scaled columns [C, D], less the product with a target [m, D]."""

    def rule(x: Tensor, part: slice, with_gradient: bool) -> tuple[Tensor, Tensor | None]:
        aim = target(part)
        logits = x @ columns.T
        largest = logits.amax(dim=1, keepdim=True)
        exponentials = logits.sub_(largest).exp_()
        total = exponentials.sum(dim=1, keepdim=True)
        share = weight[part, None]
        loss = ((total.log() + largest) * share).sum() - (x * aim).sum()
        if not with_gradient:
            return loss, None
        return loss, torch.addmm(aim, exponentials.mul_(share / total), columns, beta=-1)

    return rule


class _ByChunks(torch.autograd.Function):
    """The sum of a rule over chunks of some of the rows.

    The gradient is made with the loss and kept where it takes at most half of what the logits would
    take, else made anew in the backward pass.
    """

    @staticmethod
    def forward(ctx, rows: Tensor, used: Tensor | None, rule: Rule, width: int) -> Tensor:
        ctx.rule, ctx.used, ctx.step = rule, used, rows_of_chunk(rows, width)
        keep = ctx.needs_input_grad[0] and 2 * rows.shape[1] <= width
        total = rows.new_zeros((), dtype=precise(rows[:0]).dtype)
        # In single precision: gradients of a mean over pixels vanish in half precision.
        gradient = _gradient(rows, used, total.dtype) if keep else None
        with torch.autocast(rows.device.type, enabled=False):
            for place, part in _chunks_of(rows, used, ctx.step):
                loss, own = rule(precise(rows[place]), part, keep)
                total += loss
                if keep:
                    gradient[place] = own
        ctx.kept = keep
        ctx.save_for_backward(gradient if keep else rows)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, of_output: Tensor) -> tuple[Tensor, None, None, None]:
        (saved,) = ctx.saved_tensors
        if ctx.kept:
            return saved * of_output, None, None, None
        gradient = _gradient(saved, ctx.used, saved.dtype)
        with torch.autocast(saved.device.type, enabled=False):
            for place, part in _chunks_of(saved, ctx.used, ctx.step):
                _, own = ctx.rule(precise(saved[place]), part, True)
                gradient[place] = (own * of_output).to(gradient.dtype)
        return gradient, None, None, None


def _gradient(rows: Tensor, used: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Room for a gradient; zero where rows may be unused."""
    make = torch.empty if used is None else torch.zeros
    return make(rows.shape, dtype=dtype, device=rows.device)


def parts_of(count: int, step: int) -> Iterator[slice]:
    """Yield slices of so many rows each."""
    for start in range(0, count, step):
        yield slice(start, start + step)


def _chunks_of(rows: Tensor, used: Tensor | None,
               step: int) -> Iterator[tuple[Tensor | slice, slice]]:
    """Yield where the rows of a chunk are, and which of the used ones they are."""
    for part in parts_of(len(rows) if used is None else len(used), step):
        yield part if used is None else used[part], part


def sum_by_chunks(rows: Tensor, used: Tensor, rule: Rule, width: int) -> Tensor:
    """Sum a rule over some rows; ``used`` are their ids, ascending."""
    return _ByChunks.apply(rows, used if len(used) < len(rows) else None, rule, width)


def rows_of_chunk(rows: Tensor, width: int) -> int:
    """Return how many rows of logits of this width a chunk has."""
    room = _CHUNK_BYTES.get(rows.device.type, _CHUNK_BYTES_ELSEWHERE)
    return max(16, room // (4 * max(width, 1)))


def precise(x: Tensor) -> Tensor:
    """Return at least single precision."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()
