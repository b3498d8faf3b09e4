r"""Time of training with schedules of crop sizes against crops of one size (self-training, 3.3).

Iterations (preprocessing, forward, backward, step) of each size alternate in one process, each with
as many images as ``CropSchedule`` gives it; nothing is loaded. The time of a whole run is that of
its iterations, for equally many images. Printed: a table of the sizes; for each schedule the median
over the rounds of how many times as fast as the fixed size it is, and a bootstrap interval.

    python benchmarks/schedules.py --rounds 20
    python benchmarks/schedules.py --device cuda --rounds 20 --batch-size 2 \
        --config configs/self_training/selftrain_teacher_x50_cityscapes.py \
        --sizes 400 480 560 640 720 800
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from prettytable import PrettyTable
from train_step import CONFIG, build, interval, make_batch, timed_step

from mmseg_multids.datasets.crop_schedules import CropSchedule, Shape


def run_times(schedule: CropSchedule, seconds: dict[Shape, np.ndarray]) -> np.ndarray:
    """Return the seconds per image of a whole run, by what its iterations took in each round."""
    total, images = 0.0, 0
    for epoch in range(schedule.epochs):
        first, end = schedule.span(epoch)
        shape = schedule.shape_of_epoch(epoch)
        total = total + (end - first) * seconds[shape]
        images += (end - first) * shape.batch_size
    return total / images


def measure(model: torch.nn.Module, shapes: list[Shape], rounds: int, steps: int,
            device: str) -> tuple[dict[Shape, np.ndarray], dict[Shape, float]]:
    """Return the seconds of a step of each shape, by round, and the GiB that it takes on a GPU."""
    optim = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-3))
    dataset = model.label_space.datasets[0]
    batches = {shape: make_batch(model, shape.batch_size, shape.crop_size[0], dataset)
               for shape in shapes}
    memory = {}
    for shape, batch in batches.items():  # the first steps allocate
        if device == 'cuda':
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        for _ in range(3):
            timed_step(model, optim, batch)
        if device == 'cuda':
            memory[shape] = torch.cuda.max_memory_allocated() / 2 ** 30
    seconds = {shape: [] for shape in shapes}
    for i in range(rounds):
        for shape in shapes[::1 if i % 2 else -1]:
            seconds[shape].append(np.median([timed_step(model, optim, batches[shape])
                                             for _ in range(steps)]))
    return {shape: np.array(each) for shape, each in seconds.items()}, memory


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', default=str(CONFIG), help='its model is trained, from scratch')
    parser.add_argument('--sizes', type=int, nargs='+', default=(160, 192, 224, 256, 288, 320),
                        help='sides of the crops; multiples of what the model pads images to')
    parser.add_argument('--batch-size', type=int, default=2, help='images of the largest size')
    parser.add_argument('--epochs', type=int, default=180)
    parser.add_argument('--warmup-epochs', type=int, default=20)
    parser.add_argument('--epoch-images', type=int, default=2975)
    parser.add_argument('--rounds', type=int, default=10)
    parser.add_argument('--steps', type=int, default=3, help='steps of a size in a round')
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument('--threads', type=int, default=None)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.backends.cudnn.benchmark = True
    cfg = Config.fromfile(args.config)
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    model = build(False, 0, cfg).to(args.device).train()

    def schedule(kind: str, warmup: int = 0) -> CropSchedule:
        return CropSchedule(kind, args.sizes, args.epochs, args.epoch_images, args.batch_size,
                            warmup_epochs=warmup)

    fixed = schedule('constant')
    others = {'coarse2fine+': schedule('coarse2fine+'),
              f'coarse2fine+, {args.warmup_epochs} epochs of warm-up': schedule(
                  'coarse2fine+', args.warmup_epochs)}
    shapes = list(dict.fromkeys(each.shape_of_epoch(epoch) for each in (fixed, *others.values())
                                for epoch in range(args.epochs)))
    shapes.sort(key=lambda shape: shape.crop_size)
    seconds, memory = measure(model, shapes, args.rounds, args.steps, args.device)

    table = PrettyTable(['crop', 'batch', 'megapixels', 'ms per iteration', 'ms per image', 'GiB'])
    table.align = 'r'
    for shape, each in seconds.items():
        side, count = shape.crop_size[0], shape.batch_size
        table.add_row([side, count, f'{count * side ** 2 / 1e6:.2f}',
                       f'{1000 * np.median(each):.1f}', f'{1000 * np.median(each) / count:.1f}',
                       f'{memory[shape]:.1f}' if shape in memory else '-'])
    print(table.get_string(title=f'{type(model.backbone).__name__}, {args.device}, '
                           f'{torch.get_num_threads()} threads, {args.rounds} rounds'))
    for name, each in others.items():
        ratios = run_times(fixed, seconds) / run_times(each, seconds)
        pixels = {shape: np.array(float(shape.batch_size * shape.crop_size[0] ** 2))
                  for shape in shapes}
        low, high = interval(ratios)
        print(f'{name}: {np.median(ratios):.3f} times as fast as {max(args.sizes)} alone (95 % '
              f'interval {low:.3f} to {high:.3f}); by its pixels '
              f'{run_times(fixed, pixels) / run_times(each, pixels):.3f}')


if __name__ == '__main__':
    main()
