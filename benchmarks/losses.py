"""Time and memory of the losses on large labels, against MMSegmentation's after its ``resize``.

Forward and backward from low-resolution logits (stride 4), one image, float32. Alternatives
alternate in one process; printed are median ratios and the memory above the inputs at the peak.

    python benchmarks/losses.py --classes 19 70 150 200 450
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from mmseg.models.losses import CrossEntropyLoss
from mmseg.models.utils import resize

from mmseg_multids.functional import partial_label_bce, pixel_cross_entropy, supervision_table


def null_table(classes: int) -> torch.Tensor:
    """A dataset that owns every channel, as the usual BCE assumes."""
    return torch.eye(classes, dtype=torch.int8)


def relation_table(classes: int) -> torch.Tensor:
    """Every label supervises half of the channels and, where it has a relation, one more."""
    table = torch.eye(classes, dtype=torch.int8)
    half = classes // 2
    table[:, half:][table[:, half:] == 0] = -1
    table[range(half), [half + i % (classes - half) for i in range(half)]] = 1
    return table


def peak(run: Callable[[], None], device: str) -> int:
    """Return the bytes above the inputs that a run holds at its peak."""
    if device != 'cpu':
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return torch.cuda.max_memory_allocated() - before
    with torch.profiler.profile(profile_memory=True, record_shapes=False) as profile:
        run()
    held = most = 0
    for event in sorted((e for e in profile.profiler.kineto_results.events()
                         if e.name() == '[memory]'), key=lambda e: e.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--classes', type=int, nargs='+', default=(19, 70, 150, 200, 450))
    parser.add_argument('--size', type=int, default=768)
    parser.add_argument('--rounds', type=int, default=5)
    args = parser.parse_args()
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    softmax = CrossEntropyLoss(avg_non_ignore=True)
    sigmoid = CrossEntropyLoss(use_sigmoid=True, avg_non_ignore=True)
    size = (args.size, args.size)
    print(f'{args.size}x{args.size}, one image, {device}, {torch.get_num_threads()} threads, '
          f'median of {args.rounds} rounds')
    for classes in args.classes:
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(1, classes, args.size // 4, args.size // 4, generator=generator)
        logits = logits.to(device).requires_grad_()
        labels = torch.randint(0, classes, (1, *size), generator=generator)
        labels[:, :args.size // 8] = 255
        labels = labels.to(device)
        null, related = (supervision_table(t).to(device)
                         for t in (null_table(classes), relation_table(classes)))

        def stock(loss, logits=logits, labels=labels):
            return loss(resize(logits, size=size, mode='bilinear'), labels, ignore_index=255)

        ways: dict[str, Callable] = {
            'their softmax CE': lambda: stock(softmax),
            'softmax CE': lambda: pixel_cross_entropy(logits, labels),  # noqa: B023
            'their BCE': lambda: stock(sigmoid),
            'BCE': lambda: partial_label_bce(logits, labels, null),  # noqa: B023
            'BCE with relations': lambda: partial_label_bce(logits, labels, related),  # noqa: B023
        }

        def step(name, ways=ways, logits=logits):
            logits.grad = None
            ways[name]().backward()
            if device != 'cpu':
                torch.cuda.synchronize()

        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for i in range(args.rounds + 1):
            for name in ways:
                start = time.perf_counter()
                step(name)
                if i:
                    seconds[name].append(time.perf_counter() - start)
        logits.grad = None
        memory = {name: peak(lambda name=name: step(name), device) / 2 ** 30 for name in ways}
        for ours, theirs in (('softmax CE', 'their softmax CE'), ('BCE', 'their BCE'),
                             ('BCE with relations', 'their BCE')):
            ratio = np.median(np.array(seconds[ours]) / np.array(seconds[theirs]))
            print(f'K = {classes:3d} {ours:18s} {np.median(seconds[ours]):6.2f} s '
                  f'({ratio:.2f} of theirs, {np.median(seconds[theirs]):.2f} s), memory '
                  f'{memory[ours]:.2f} GiB (theirs {memory[theirs]:.2f})', flush=True)


if __name__ == '__main__':
    main()
