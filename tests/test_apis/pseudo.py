"""A teacher and images for tests of pseudo labels; run as a script it labels them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from mmseg_multids.apis.pseudo_labels import generate_pseudo_labels
from mmseg_multids.apis.trained import load_trained

from ..test_models.toy import build, model_cfg

PIPELINE = [{'type': 'LoadImageFromFile'}, {'type': 'PackSegInputs'}]


def teacher(folder: Path, seed: int = 0, **changes):
    """A model whose predictions vary from pixel to pixel, with config and checkpoint files."""
    cfg = Config({'default_scope': 'mmseg', 'model': model_cfg(**changes),
                  'test_pipeline': PIPELINE})
    model = build(**changes)
    model.eval()
    with torch.no_grad():
        write_images(folder / 'some', 4)
        some = torch.stack([torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1) / 255
                            for path in sorted((folder / 'some').iterdir())])
        norm = None if 'dataset_norm' not in changes else ['one'] * 4
        with model.context.batch(None, 'unified', norm):
            features = model.embed(some).transpose(0, 1).flatten(1)  # [D, pixels]
        classifier = model.decode_head.classifier
        generator = torch.Generator().manual_seed(seed)
        weight = 2 * torch.randn(classifier.weight.shape, generator=generator)
        # Each class is the largest somewhere: features are used relative to their mean.
        weight /= features.std(dim=1).clamp(min=1e-6)[None, :, None, None]
        classifier.weight.copy_(weight)
        classifier.bias.copy_(-weight.flatten(1) @ features.mean(dim=1))
    folder.mkdir(parents=True, exist_ok=True)
    cfg.dump(folder / 'config.py')
    torch.save({'state_dict': model.state_dict()}, folder / 'model.pth')
    return read(folder)


def read(folder: Path):
    trained = load_trained(folder / 'model.pth', str(folder / 'config.py'))
    trained.model.cfg = trained.cfg
    return trained.model


def write_images(folder: Path, count: int, size=(40, 56), suffix: str = 'png') -> Path:
    rng = np.random.default_rng(3)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        # Blobs, so that neighbouring pixels are alike.
        small = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
        Image.fromarray(small).resize(size[::-1], Image.BILINEAR).save(
            folder / f'{i:02d}.{suffix}')
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob('*')) if path.is_file()}


def label(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


def in_a_process(rank: int, folder: str, images: str, out: str, options: dict):
    """What both processes of a distributed run do."""
    init_default_scope('mmseg')
    found = generate_pseudo_labels(read(Path(folder)), [images], out, Path(folder) / 'model.pth',
                                   **options)
    return found.statistics


if __name__ == '__main__':
    torch.set_num_threads(1)
    in_a_process(0, *sys.argv[1:4], {'label_space': 'one', 'soft': 2, 'portion': 0.4,
                                     'processes': int(sys.argv[4])})
