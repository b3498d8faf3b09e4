"""A few images of each real dataset in its official folders and encoding.

A table drives it: a new dataset adds a row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Layout:
    """Where a dataset's files lie and what they hold.

    ``splits`` has the folders of images and label maps; ``image`` and ``label`` turn an image's
    number into its path in them, after the ``prefix`` of the split. ``void`` stands for pixels
    without a label, ``absent`` are ids that never occur. ``stored`` has the id, or the colour, in
    the files of each class; by default a class is stored as its id. ``lists`` has, of each split
    that needs one, the file that lists its images and what its line is for an image's number;
    equal lines are written once.
    """

    num_classes: int
    size: tuple[int, int]
    splits: dict[str, tuple[str, str]]
    image: str = '{:03d}.jpg'
    label: str = '{:03d}.png'
    void: int | tuple[int, int, int] = 255
    absent: frozenset[int] = frozenset()
    prefix: dict[str, str] = field(default_factory=dict)
    stored: tuple | None = None
    lists: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def ids(self) -> np.ndarray:
        """Ids that occur."""
        return np.array([i for i in range(self.num_classes) if i not in self.absent])

    @property
    def void_pixel(self) -> np.ndarray:
        """What files hold where nothing is labelled."""
        return np.asarray(self.void, dtype=np.uint8)

    def as_stored(self, labels: np.ndarray) -> np.ndarray:
        """Turn class ids into what files hold: ids [H, W] or colours [H, W, 3]."""
        return labels if self.stored is None else np.array(self.stored, dtype=np.uint8)[labels]


def _folders(images: str, labels: str, splits: Iterable[str]) -> dict[str, tuple[str, str]]:
    return {split: (images.format(split), labels.format(split)) for split in splits}


_PLAIN = ('images/{}', 'labels/{}')
# Cityscapes' label ids of its 19 classes.
_FULL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
# Building, Tree, Sky, Car, SignSymbol, Road, Pedestrian, Fence, Column_Pole, Sidewalk, Bicyclist
_CAMVID_COLOURS = ((128, 0, 0), (128, 128, 0), (128, 128, 128), (64, 0, 128), (192, 128, 128),
                   (128, 64, 128), (64, 64, 0), (64, 64, 128), (192, 192, 128), (0, 0, 192),
                   (0, 128, 192))
_FRAME = 'aachen/aachen_{:06d}_000019_'
# NYUv2's ids of ScanNet's 20 classes, and VIPER's of its 23.
_SCANNET_IDS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39)
_VIPER_IDS = (2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 23, 24, 25, 26, 27)

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
    'idd': Layout(26, (96, 160), _folders('leftImg8bit/{}', 'gtFine/{}', ('train', 'val')),
                  image='201/frame{:04d}_leftImg8bit.png',
                  label='201/frame{:04d}_gtFine_labellevel3Ids.png'),
    'mapillary': Layout(65, (96, 128), _folders('{}/images', '{}/labels',
                                                ('training', 'validation')),
                        image='m{:06d}.jpg', label='m{:06d}.png', void=65),
    'kitti': Layout(19, (60, 200), _folders('{}/image_2', '{}/semantic', ('training',)),
                    image='{:06d}_10.png', label='{:06d}_10.png', void=0, stored=_FULL_IDS),
    'wilddash': Layout(19, (72, 128), _folders('{}', '{}', ('wd_val_01',)),
                       image='us{:04d}_100000.png', label='us{:04d}_100000_labelIds.png', void=3,
                       stored=_FULL_IDS),
    'wilddash2': Layout(19, (72, 128), {'all': ('images', 'labels')}, image='us{:04d}_100000.jpg',
                        label='us{:04d}_100000.png', void=37, stored=_FULL_IDS),
    'camvid_mseg': Layout(
        11, (90, 120), {split: ('701_StillsRaw_full', 'LabeledApproved_full')
                        for split in ('train', 'val', 'test')},
        image='{:03d}.png', label='{:03d}_L.png', void=(0, 0, 0), stored=_CAMVID_COLOURS,
        prefix={'train': '0006R0_f01', 'val': '0016E5_08', 'test': 'Seq05VD_f00'}),
    'ade20k': Layout(150, (96, 128), {
        'train': ('images/training', 'annotations/training'),
        'val': ('images/validation', 'annotations/validation')},
        image='ADE_{:08d}.jpg', label='ADE_{:08d}.png', void=0, stored=tuple(range(1, 151))),
    'coco_panoptic': Layout(133, (96, 128), _folders('{}', 'panoptic_semseg_{}',
                                                     ('train2017', 'val2017')),
                            image='{:012d}.jpg', label='{:012d}.png'),
    'sun_rgbd': Layout(37, (96, 128), _folders('image/{}', 'label37/{}', ('train', 'test')),
                       image='img-{:06d}.jpg', label='{:08d}.png', void=0,
                       stored=tuple(range(1, 38))),
    'scannet20': Layout(
        20, (96, 128), _folders('scannet_frames_25k', 'scannet_frames_25k', ('train', 'val')),
        image='color/{:04d}00.jpg', label='label/{:04d}00.png', void=0, stored=_SCANNET_IDS,
        prefix={'train': 'scene0191_00/', 'val': 'scene0568_00/'},
        lists={'train': ('scannetv2_train.txt', 'scene0191_00'),
               'val': ('scannetv2_val.txt', 'scene0568_00')}),
    'viper': Layout(23, (108, 192), _folders('{}/img', '{}/cls', ('train', 'val')),
                    image='001/001_{:05d}.jpg', label='001/001_{:05d}.png', void=0,
                    stored=_VIPER_IDS),
    'pascal_voc': Layout(
        21, (96, 128), _folders('JPEGImages', 'SegmentationClass', ('train', 'val')),
        image='{:06d}.jpg', label='{:06d}.png', prefix={'train': '2007_', 'val': '2008_'},
        lists={'train': ('ImageSets/Segmentation/train.txt', '2007_{:06d}'),
               'val': ('ImageSets/Segmentation/val.txt', '2008_{:06d}')}),
    # SBD's part; VOC's own label maps are those of `pascal_voc`.
    'pascal_voc_aug': Layout(
        21, (96, 128), {'train': ('JPEGImages', 'SegmentationClassAug'),
                        'val': ('JPEGImages', 'SegmentationClass')},
        image='{:06d}.jpg', label='{:06d}.png', prefix={'train': '2009_', 'val': '2008_'},
        lists={'train': ('ImageSets/Segmentation/trainaug.txt', '2009_{:06d}'),
               'val': ('ImageSets/Segmentation/val.txt', '2008_{:06d}')}),
    'coco_stuff164k': Layout(171, (96, 128), _folders('images/{}', 'annotations/{}',
                                                      ('train2017', 'val2017')),
                             image='{:012d}.jpg', label='{:012d}_labelTrainIds.png'),
    'pascal_context': Layout(
        59, (96, 128), _folders('JPEGImages', 'SegmentationClassContext', ('train', 'val')),
        image='{:06d}.jpg', label='{:06d}.png', void=0, stored=tuple(range(1, 60)),
        prefix={'train': '2008_', 'val': '2009_'},
        lists={'train': ('ImageSets/SegmentationContext/train.txt', '2008_{:06d}'),
               'val': ('ImageSets/SegmentationContext/val.txt', '2009_{:06d}')}),
}

#: Folder of a dataset where it is not called like its entry.
_ROOTS = {'coco_stuff182': 'coco_stuff164k', 'camvid_mseg': 'camvid_full',
          'ade20k': 'ade/ADEChallengeData2016', 'coco_panoptic': 'coco', 'scannet20': 'scannet',
          'pascal_voc': 'VOCdevkit/VOC2012', 'pascal_voc_aug': 'VOCdevkit/VOC2012',
          'pascal_context': 'VOCdevkit/VOC2010'}


def make_miniature(root: Path, name: str, images: int = 4) -> Path:
    """Write ``images`` images per split; every class has a colour of its own and occurs."""
    layout = DATASETS[name]
    height, width = layout.size
    folder = root / _ROOTS.get(name, name)
    rng = np.random.default_rng(len(name))
    colours = rng.integers(20, 235, (layout.num_classes, 3))
    rows, columns = (4, 5) if len(layout.ids) <= 20 else (12, 16)
    for split, (image_folder, label_folder) in layout.splits.items():
        prefix = layout.prefix.get(split, '')
        for i in range(images):
            cells = rng.permutation(np.resize(layout.ids, rows * columns)).reshape(rows, columns)
            labels = cv2.resize(cells.astype(np.uint8), (width, height),
                                interpolation=cv2.INTER_NEAREST)
            picture = (colours[labels] + rng.integers(-15, 15, (height, width, 3))).clip(0, 255)
            labels = layout.as_stored(labels)
            labels[:6] = layout.void_pixel
            for path, array in (
                    (folder / image_folder / (prefix + layout.image.format(i)), picture),
                    (folder / label_folder / (prefix + layout.label.format(i)), labels)):
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array.astype(np.uint8)).save(path)
        if split in layout.lists:
            path, line = layout.lists[split]
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            lines = dict.fromkeys(line.format(i) for i in range(images))
            (folder / path).write_text(''.join(f'{each}\n' for each in lines))
    return folder


def make_all(root: Path, images: int = 4, names: Iterable[str] = tuple(DATASETS)) -> Path:
    """Write the named datasets; default: all."""
    for name in names:
        make_miniature(root, name, images)
    return root
