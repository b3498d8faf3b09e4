"""Losses at the labels' resolution from logits at a head's, without ever holding the large logits.

The logits of a strip of rows are interpolated, its losses and their gradient computed, and the
gradient is brought back to the low resolution before the next strip is begun. What is held is a few
arrays of the size of the low-resolution logits and two of the size of a strip.

Bilinear interpolation is two small matrices, one for each direction. Both are banded. A strip sees
a few of the small image's rows, and the image is cut into blocks of columns that see a few of its
columns each; the blocks are a batch dimension of everything that follows. Rows stand before
channels, so that both directions are products of contiguous matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

#: Bytes of a strip's logits. On a CPU a strip should stay in the cache; a GPU wants few, large
#: kernels.
_STRIP_BYTES = {'cpu': 4 * 2 ** 20}
_STRIP_BYTES_ELSEWHERE = 64 * 2 ** 20
_BLOCK_COLUMNS = 64

#: From the logits x [M, K, c] of c pixels each, which may be overwritten, their labels y [M, c] (0
#: where not labelled), and an array g of x's shape to the losses of the pixels [M, c]. If the last
#: argument is true, g then holds their gradient.
PixelRule = Callable[[Tensor, Tensor, Tensor, bool], Tensor]


class _Sources(NamedTuple):
    """Each position of a large axis as a mixture of two positions of a small one."""

    first: Tensor  # [n] int64
    second: Tensor  # [n] int64
    share: Tensor  # [n], of the second


def _sources(small: int, large: int, align_corners: bool, like: Tensor) -> _Sources:
    """Positions and shares as :func:`torch.nn.functional.interpolate` has them."""
    position = torch.arange(large, device=like.device, dtype=like.dtype)
    if align_corners:
        position = position * ((small - 1) / (large - 1) if large > 1 else 0.0)
    else:
        position = ((position + 0.5) * (small / large) - 0.5).clamp(min=0)
    first = position.long().clamp(max=small - 1)
    return _Sources(first, (first + 1).clamp(max=small - 1), (position - first).clamp(0, 1))


class _Blocks:
    """Blocks of columns: how they are cut out, enlarged, and put together again.

    Attributes:
        count: Number of blocks n.
        columns: Columns c of a block; the last one is padded.
        window: Small columns m that a block sees.
    """

    def __init__(self, small: int, large: int, align_corners: bool, like: Tensor) -> None:
        self.small, self.large = small, large
        self.count = 1 if small == large else -(-large // _BLOCK_COLUMNS)
        self.columns = -(-large // self.count)
        self.matrix: Tensor | None = None  # [n, m, c]
        if small == large:
            self.window, self.starts = small, [0]
            return
        first, second, share = (part.cpu() for part in _sources(small, large, align_corners, like))
        begins = range(0, large, self.columns)
        ends = [min(begin + self.columns, large) - 1 for begin in begins]
        self.window = max(int(second[end] - first[begin]) + 1 for begin, end in zip(begins, ends))
        self.starts = [min(int(first[begin]), small - self.window) for begin in begins]
        matrix = share.new_zeros(self.count, self.window, self.columns)
        column = torch.arange(large)
        block = column // self.columns
        start = torch.tensor(self.starts)[block]
        at = (block, first - start, column % self.columns)
        matrix.index_put_(at, 1 - share, accumulate=True)
        at = (block, second - start, column % self.columns)
        matrix.index_put_(at, share, accumulate=True)
        self.matrix = matrix.to(like.device)

    def cut(self, logits: Tensor, dtype: torch.dtype) -> Tensor:
        """[B, K, h, w] -> [n, B, h, K, m]."""
        logits = logits.permute(0, 2, 1, 3)
        if self.matrix is None:
            return logits.to(dtype).contiguous()[None]
        parts = [logits[..., start:start + self.window] for start in self.starts]
        return torch.stack([part.to(dtype) for part in parts])

    def join(self, windows: Tensor) -> Tensor:
        """Gradient with respect to :meth:`cut`'s input."""
        if self.matrix is None:
            return windows[0].permute(0, 2, 1, 3)
        total = windows.new_zeros(*windows.shape[1:-1], self.small)
        for start, part in zip(self.starts, windows):
            total[..., start:start + self.window] += part
        return total.permute(0, 2, 1, 3)

    def tile(self, image: Tensor, fill: float) -> Tensor:
        """[B, H, W] -> [n * B, H, c], padded."""
        padding = self.count * self.columns - self.large
        image = torch.nn.functional.pad(image, (0, padding), value=fill)
        image = image.view(*image.shape[:2], self.count, self.columns)
        return image.permute(2, 0, 1, 3).flatten(0, 1)

    def untile(self, tiles: Tensor) -> Tensor:
        """:meth:`tile` turned."""
        tiles = tiles.view(self.count, -1, *tiles.shape[1:]).permute(1, 2, 0, 3)
        return tiles.flatten(2)[..., :self.large]


class _Plan:
    """Logits, labels and weights of one call, ready to be worked through strip by strip."""

    def __init__(self, logits: Tensor, labels: Tensor, weights: Tensor,
                 align_corners: bool) -> None:
        dtype = torch.float64 if logits.dtype == torch.float64 else torch.float32
        like = weights.new_empty((), dtype=dtype)
        batch, channels, low, width = logits.shape
        self.high = labels.shape[1]
        self.blocks = _Blocks(width, labels.shape[2], align_corners, like)
        self.count = self.blocks.count * batch  # blocks of all images: N
        self.channels = channels
        first, second, share = _sources(low, self.high, align_corners, like)
        self.rows = like.new_zeros(self.high, low)  # rows' matrix
        row = torch.arange(self.high, device=like.device)
        self.rows.index_put_((row, first), 1 - share, accumulate=True)
        self.rows.index_put_((row, second), share, accumulate=True)
        self.first_row, self.last_row = first.tolist(), second.tolist()
        self.windows = self.blocks.cut(logits, dtype).flatten(0, 1).flatten(2)  # [N, h, K * m]
        self.labels = self.blocks.tile(labels, 0)
        self.weights = self.blocks.tile(weights.to(dtype), 0)
        size = self.count * channels * self.blocks.columns
        limit = _STRIP_BYTES.get(logits.device.type, _STRIP_BYTES_ELSEWHERE)
        self.step = min(self.high, max(1, limit // (size * like.element_size() or 1)))
        # Kept for all strips: fresh memory of this size would be asked of, and returned to, the
        # system for each of them, which costs more than the arithmetic.
        self._large = [like.new_empty(size * self.step) for _ in range(2)]
        self._small = like.new_empty(size // self.blocks.columns * self.blocks.window * self.step)

    def strips(self) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Rows, their enlarged logits [N * r, K, c], and room for their gradient."""
        for start in range(0, self.high, self.step):
            rows = slice(start, min(start + self.step, self.high))
            seen, matrix = self._matrix(rows)
            small = self._room(rows, self.windows.shape[2])
            torch.bmm(matrix, self.windows[:, seen], out=small)
            size = (self.count * (rows.stop - rows.start), self.channels, self.blocks.columns)
            x, gradient = (_view(room, size) for room in self._large)
            if self.blocks.matrix is None:
                x.copy_(small.view(size))
            else:
                torch.bmm(self._by_block(small), self.blocks.matrix, out=self._by_block(x))
            yield rows, x, gradient

    def add_gradient(self, total: Tensor, gradient: Tensor, rows: slice) -> None:
        """Bring a strip's gradient back to the windows' and add it to ``total``, [N, h, K * m]."""
        small = self._room(rows, self.windows.shape[2])
        if self.blocks.matrix is None:
            small.copy_(gradient.view(small.shape))
        else:
            torch.bmm(self._by_block(gradient), self.blocks.matrix.transpose(1, 2),
                      out=self._by_block(small))
        seen, matrix = self._matrix(rows)
        total[:, seen].baddbmm_(matrix.transpose(1, 2), small)

    def joined(self, total: Tensor) -> Tensor:
        """Gradient with respect to the logits, [B, K, h, w], from that of the windows."""
        blocks = self.blocks
        return blocks.join(total.view(blocks.count, -1, total.shape[1], self.channels,
                                      blocks.window))

    def per_pixel(self, image: Tensor, rows: slice) -> Tensor:
        """A strip of a tiled image, [N, H, c], as a rule has it: [N * r, c]."""
        return image[:, rows].flatten(0, 1)

    def _matrix(self, rows: slice) -> tuple[slice, Tensor]:
        """Small rows that a strip sees, h', and their mixture: [N, r, h']."""
        seen = slice(self.first_row[rows.start], self.last_row[rows.stop - 1] + 1)
        return seen, self.rows[rows, seen].expand(self.count, -1, -1)

    def _room(self, rows: slice, width: int) -> Tensor:
        return _view(self._small, (self.count, rows.stop - rows.start, width))

    def _by_block(self, room: Tensor) -> Tensor:
        width = self.blocks.window if room.shape[-1] == self.windows.shape[2] \
            else self.blocks.columns
        return room.view(self.blocks.count, -1, width)


def _view(room: Tensor, size: tuple[int, ...]) -> Tensor:
    length = 1
    for part in size:
        length *= part
    return room[:length].view(size)


class _SumOverPixels(torch.autograd.Function):
    """The weighted sum of the pixels' losses; its gradient is made in the forward pass."""

    @staticmethod
    def forward(ctx, logits: Tensor, labels: Tensor, weights: Tensor, rule: PixelRule,
                align_corners: bool) -> Tensor:
        needed = ctx.needs_input_grad[0]
        with torch.autocast(logits.device.type, enabled=False):
            plan = _Plan(logits, labels, weights, align_corners)
            total = plan.windows.new_zeros(())
            # In single precision at least: a mean's gradient in half precision is flushed to zero
            # before a gradient scaler can act.
            gradient = torch.zeros_like(plan.windows) if needed else None
            for rows, x, room in plan.strips():
                weight = plan.per_pixel(plan.weights, rows)
                total += (rule(x, plan.per_pixel(plan.labels, rows), room, needed) * weight).sum()
                if needed:
                    plan.add_gradient(gradient, room.mul_(weight[:, None]), rows)
            if needed:
                ctx.save_for_backward(plan.joined(gradient))
        ctx.dtype = logits.dtype
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output: Tensor):
        gradient, = ctx.saved_tensors
        return (gradient * grad_output).to(ctx.dtype), None, None, None, None


def sum_over_pixels(logits: Tensor, labels: Tensor, weights: Tensor, rule: PixelRule,
                    align_corners: bool = False) -> Tensor:
    """Enlarge logits bilinearly to the labels' size and add up the pixels' weighted losses.

    Args:
        logits: Shape [B, K, h, w].
        labels: Shape [B, H, W], int64, 0 to K - 1 or whatever the rule takes; any allowed value
            where the weight is 0.
        weights: Shape [B, H, W].
        rule: From logits and labels to losses and their gradient: :data:`PixelRule`.
        align_corners: As in :func:`torch.nn.functional.interpolate`.

    Returns:
        A scalar, in double precision for double-precision logits and else in single precision.
        It can be differentiated once.
    """
    return _SumOverPixels.apply(logits, labels, weights, rule, align_corners)


@torch.no_grad()
def loss_of_each_pixel(logits: Tensor, labels: Tensor, weights: Tensor, rule: PixelRule,
                       align_corners: bool = False) -> Tensor:
    """Return the weighted loss of each pixel, [B, H, W], as :func:`sum_over_pixels` adds them."""
    with torch.autocast(logits.device.type, enabled=False):
        plan = _Plan(logits, labels, weights, align_corners)
        losses = torch.empty_like(plan.weights)
        for rows, x, room in plan.strips():
            found = rule(x, plan.per_pixel(plan.labels, rows), room, False)
            losses[:, rows] = found.view(plan.count, -1, losses.shape[2])
        return plan.blocks.untile(losses * plan.weights)
