"""Time of one training step: the multi-dataset segmentor against a plain ``EncoderDecoder``.

Both have the same network, the same images and as many classes in the batch's dataset; the steps
alternate in one process. Printed: the median ratio of the pairs and a bootstrap interval.

    python benchmarks/train_step.py --pairs 200
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / 'configs' / 'quickstart' / 'quickstart_toyworld.py'


def build(plain: bool, num_classes: int, cfg: Config, stock_loss: bool = False) -> torch.nn.Module:
    """Build the config's model, or the same network for one dataset in stock parts."""
    model = copy.deepcopy(cfg.model)
    if stock_loss:
        model.decode_head.loss_decode = {'type': 'CrossEntropyLoss', 'avg_non_ignore': True}
    if plain:
        head = {**model.decode_head.head, 'num_classes': num_classes,
                'loss_decode': {'type': 'CrossEntropyLoss', 'avg_non_ignore': True}}
        model = {'type': 'EncoderDecoder', 'backbone': model.backbone, 'decode_head': head,
                 'data_preprocessor': model.data_preprocessor, 'train_cfg': {}, 'test_cfg':
                 {'mode': 'whole'}}
    return MODELS.build(model)


def make_batch(model: torch.nn.Module, batch_size: int, size: int, dataset: str) -> dict:
    """Make random images with labels of one dataset."""
    generator = torch.Generator().manual_seed(0)
    num_classes = model.label_space.space(dataset).num_classes
    samples = []
    for _ in range(batch_size):
        labels = torch.randint(0, num_classes, (1, size, size), generator=generator)
        samples.append(SegDataSample(gt_sem_seg=PixelData(data=labels),
                                     metainfo={'dataset': dataset, 'img_shape': (size, size),
                                               'ori_shape': (size, size)}))
    images = [torch.randint(0, 256, (3, size, size), generator=generator, dtype=torch.uint8)
              for _ in range(batch_size)]
    return {'inputs': images, 'data_samples': samples}


def timed_step(model: torch.nn.Module, optim: OptimWrapper, batch: dict) -> float:
    """Run one step on a copy of the batch; seconds."""
    batch = copy.deepcopy(batch)
    start = time.perf_counter()
    model.train_step(batch, optim)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def interval(ratios: np.ndarray) -> tuple[float, float]:
    """Return a bootstrap interval of 95 % of the median."""
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(ratios, (2000, len(ratios))), axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', default=str(CONFIG))
    parser.add_argument('--pairs', type=int, default=200)
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--size', type=int, default=128)
    parser.add_argument('--stock-loss', action='store_true',
                        help="use MMSegmentation's loss in both, so that the rest is compared")
    parser.add_argument('--threads', type=int, default=None)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    cfg = Config.fromfile(args.config)
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    ours = build(False, 0, cfg, args.stock_loss)
    dataset = ours.label_space.datasets[0]
    plain = build(True, ours.label_space.space(dataset).num_classes, cfg)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    batch = make_batch(ours, args.batch_size, args.size, dataset)
    pairs = []
    runs = []
    for model in (ours, plain):
        model.to(device).train()
        runs.append((model, OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-3))))
    for i in range(args.pairs + 5):
        order = (0, 1) if i % 2 else (1, 0)
        seconds = [0.0, 0.0]
        for which in order:
            seconds[which] = timed_step(*runs[which], batch)
        if i >= 5:  # the first steps allocate
            pairs.append(seconds)
    times = np.array(pairs)
    ratios = times[:, 0] / times[:, 1]
    low, high = interval(ratios)
    print(f'{args.pairs} pairs of {args.batch_size}x{args.size}x{args.size} on {device}, '
          f'{torch.get_num_threads()} threads: plain {1000 * np.median(times[:, 1]):.1f} ms, '
          f'multi-dataset {1000 * np.median(times[:, 0]):.1f} ms')
    print(f'ratio {np.median(ratios):.4f} (95 % interval {low:.4f} to {high:.4f})')


if __name__ == '__main__':
    main()
