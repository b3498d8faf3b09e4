"""Time and memory of MDP's losses and of its bank of prototypes.

The pixel-to-prototype loss against ``F.cross_entropy(f @ P.T / tau)``, forward and backward, in
turns in one process: the median ratio, and the memory above the embeddings and their gradient as a
share of all logits. Then an update of the bank, with and without the pooling, and the
pixel-to-pixel loss on one image.

    python benchmarks/contrast.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from losses import peak

from mmseg_multids.functional.contrast import pixel_to_pixel, pixel_to_prototype
from mmseg_multids.models import PrototypeBank

TAU = 0.07


def embeddings(batch: int, size: int, channels: int, device: str) -> torch.Tensor:
    """Return unit vectors, channels last in memory. Shape [B, D, h, w]."""
    rows = torch.randn(batch, size, size, channels, generator=torch.Generator().manual_seed(0))
    return F.normalize(rows.to(device), dim=3).permute(0, 3, 1, 2)


def seconds(run: Callable[[], object], device: str) -> float:
    """Time a run."""
    start = time.perf_counter()
    run()
    if device != 'cpu':
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--classes', type=int, nargs='+', default=(200, 1000))
    parser.add_argument('--batch-size', type=int, default=16)
    parser.add_argument('--size', type=int, default=56)
    parser.add_argument('--channels', type=int, default=256)
    parser.add_argument('--rounds', type=int, default=9)
    args = parser.parse_args()
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    features = embeddings(args.batch_size, args.size, args.channels, device).requires_grad_()
    rows = features.detach().permute(0, 2, 3, 1).flatten(0, 2).requires_grad_()
    print(f'{args.batch_size}x{args.size}x{args.size} pixels, {args.channels} channels, {device}, '
          f'{torch.get_num_threads()} threads, median of {args.rounds} rounds')
    for classes in args.classes:
        prototypes = F.normalize(torch.randn(
            classes, args.channels, generator=torch.Generator().manual_seed(1))).to(device)
        labels = torch.randint(0, classes, (args.batch_size, args.size, args.size),
                               generator=torch.Generator().manual_seed(2)).to(device)

        def ours(labels=labels, prototypes=prototypes):
            features.grad = None
            pixel_to_prototype(features, labels, prototypes, temperature=TAU).backward()

        def plain(labels=labels, prototypes=prototypes):
            rows.grad = None
            F.cross_entropy(rows @ prototypes.T / TAU, labels.flatten()).backward()

        times = np.array([(seconds(ours, device), seconds(plain, device))
                          for _ in range(args.rounds + 1)])[1:]
        ratio = np.median(times[:, 0] / times[:, 1])
        features.grad = rows.grad = None
        gradient = rows.numel() * 4
        logits = len(rows) * classes * 4
        extra = [peak(way, device) - gradient for way in (ours, plain)]
        print(f'|Y| = {classes}: {np.median(times[:, 0]):.3f} s, {ratio:.2f} of one '
              f'F.cross_entropy ({np.median(times[:, 1]):.3f} s); memory {extra[0] / 2 ** 20:.0f} '
              f'MiB, {extra[0] / logits:.2f} of all logits (theirs {extra[1] / logits:.2f})',
              flush=True)
        bank = PrototypeBank([f'c{i}' for i in range(classes)], args.channels, 80, 1).to(device)
        views = ((features.detach(), labels),)
        sums = bank.pool(*views)
        times = np.array([(seconds(lambda b=bank, s=sums: b.push(*s), device),
                           seconds(lambda b=bank, v=views: b.pool(*v), device),
                           seconds(lambda: pixel_to_prototype(
                               features.detach(), labels, prototypes), device))  # noqa: B023
                          for _ in range(10 * args.rounds)])
        push, pool, forward = np.median(times, axis=0)
        print(f'          bank: update {1000 * push:.2f} ms, pooling {1000 * pool:.0f} ms, '
              f'{pool / forward:.2f} of a forward pass of the loss', flush=True)
    image = embeddings(1, 128, args.channels, device).requires_grad_()
    labels = torch.randint(0, 20, (1, 128, 128),
                           generator=torch.Generator().manual_seed(3)).to(device)

    def pixels():
        image.grad = None
        pixel_to_pixel(image, labels, image.detach(), labels, TAU).backward()

    took = seconds(pixels, device)
    image.grad = None
    print(f'pixel-to-pixel, 128x128: {took:.1f} s, {peak(pixels, device) / 2 ** 30:.3f} GiB '
          f'(all similarities: {128 ** 4 * 4 / 2 ** 30:.0f} GiB)')


if __name__ == '__main__':
    main()
