"""A few images of each real dataset in its official folders and encoding.

A table drives it: a new dataset adds a row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Layout:
    """Where a dataset's files lie and what they hold.

    ``splits`` has the folders of images and label maps; ``image`` and ``label`` turn an image's
    number into its path in them. ``void`` stands for pixels without a label, ``absent`` are ids
    that never occur.
    """

    num_classes: int
    size: tuple[int, int]
    splits: dict[str, tuple[str, str]]
    image: str = '{:03d}.jpg'
    label: str = '{:03d}.png'
    void: int = 255
    absent: frozenset[int] = frozenset()

    @property
    def ids(self) -> np.ndarray:
        """Ids that occur."""
        return np.array([i for i in range(self.num_classes) if i not in self.absent])


def _folders(images: str, labels: str, splits: Iterable[str]) -> dict[str, tuple[str, str]]:
    return {split: (images.format(split), labels.format(split)) for split in splits}


_PLAIN = ('images/{}', 'labels/{}')
_FRAME = 'aachen/aachen_{:06d}_000019_'

DATASETS = {
    'camvid11': Layout(11, (240, 320), _folders(*_PLAIN, ('train', 'val'))),
    'ycor8': Layout(8, (170, 320), _folders(*_PLAIN, ('train', 'val'))),
    'labelmefacade8': Layout(8, (240, 320), _folders(*_PLAIN, ('train', 'train_extra', 'val'))),
    'mumbai_aerial6': Layout(6, (256, 256), _folders(*_PLAIN, ('train', 'val'))),
    'cityscapes': Layout(19, (96, 192), _folders('leftImg8bit/{}', 'gtFine/{}', ('train', 'val')),
                         image=_FRAME + 'leftImg8bit.png',
                         label=_FRAME + 'gtFine_labelTrainIds.png'),
    'bdd100k': Layout(19, (90, 160), _folders('images/10k/{}', 'labels/sem_seg/masks/{}',
                                              ('train', 'val')),
                      image='{:08x}-00000000.jpg', label='{:08x}-00000000.png'),
    'camvid': Layout(11, (90, 120), _folders('{}', '{}annot', ('train', 'val', 'test')),
                     image='0001TP_{:06d}.png', label='0001TP_{:06d}.png', void=11),
    'coco_stuff182': Layout(182, (96, 128), _folders('images/{}', 'annotations/{}',
                                                     ('train2017', 'val2017')),
                            image='{:012d}.jpg', label='{:012d}.png',
                            absent=frozenset((11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90))),
}

#: Folder of a dataset where it is not called like its entry.
_ROOTS = {'coco_stuff182': 'coco_stuff164k'}


def make_miniature(root: Path, name: str, images: int = 4) -> Path:
    """Write ``images`` images per split; every class has a colour of its own and occurs."""
    layout = DATASETS[name]
    height, width = layout.size
    folder = root / _ROOTS.get(name, name)
    rng = np.random.default_rng(len(name))
    colours = rng.integers(20, 235, (layout.num_classes, 3))
    rows, columns = (4, 5) if len(layout.ids) <= 20 else (12, 16)
    for image_folder, label_folder in layout.splits.values():
        for i in range(images):
            cells = rng.permutation(np.resize(layout.ids, rows * columns)).reshape(rows, columns)
            labels = cv2.resize(cells.astype(np.uint8), (width, height),
                                interpolation=cv2.INTER_NEAREST)
            picture = (colours[labels] + rng.integers(-15, 15, (height, width, 3))).clip(0, 255)
            labels[:6] = layout.void
            for path, array in ((folder / image_folder / layout.image.format(i), picture),
                                (folder / label_folder / layout.label.format(i), labels)):
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array.astype(np.uint8)).save(path)
    return folder


def make_all(root: Path, images: int = 4, names: Iterable[str] = tuple(DATASETS)) -> Path:
    """Write the named datasets; default: all."""
    for name in names:
        make_miniature(root, name, images)
    return root
