"""A few images of each real dataset in its official folders and encoding.

A table drives it: a new dataset adds a row.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

#: name -> (number of classes, images' height and width, splits)
DATASETS = {
    'camvid11': (11, (240, 320), ('train', 'val')),
    'ycor8': (8, (170, 320), ('train', 'val')),
    'labelmefacade8': (8, (240, 320), ('train', 'train_extra', 'val')),
    'mumbai_aerial6': (6, (256, 256), ('train', 'val')),
}


def make_miniature(root: Path, name: str, images: int = 4) -> Path:
    """Write ``images`` images per split; every class has a colour of its own and occurs."""
    num_classes, (height, width), splits = DATASETS[name]
    rng = np.random.default_rng(len(name))
    colours = rng.integers(20, 235, (num_classes, 3))
    for split in splits:
        for kind in ('images', 'labels'):
            (root / name / kind / split).mkdir(parents=True, exist_ok=True)
        for i in range(images):
            cells = rng.permutation(np.resize(np.arange(num_classes), 20)).reshape(4, 5)
            labels = cv2.resize(cells.astype(np.uint8), (width, height),
                                interpolation=cv2.INTER_NEAREST)
            picture = (colours[labels] + rng.integers(-15, 15, (height, width, 3))).clip(0, 255)
            labels[:6] = 255
            Image.fromarray(picture.astype(np.uint8)).save(
                root / name / 'images' / split / f'{i:03d}.jpg')
            Image.fromarray(labels).save(root / name / 'labels' / split / f'{i:03d}.png')
    return root / name


def make_all(root: Path, images: int = 4) -> Path:
    """Write all datasets."""
    for name in DATASETS:
        make_miniature(root, name, images)
    return root
