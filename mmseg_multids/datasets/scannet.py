"""ScanNet's single frames with the classes of its benchmark."""

from __future__ import annotations

import os

from mmengine.fileio import list_dir_or_file, list_from_file

from ..registry import DATASETS
from .street import StoredIdsDataset

# NYUv2's id of each class and its colour: VALID_CLASS_IDS of
# BenchmarkScripts/2d_evaluation/evalPixelLevelSemanticLabeling.py and create_color_palette of
# BenchmarkScripts/util.py (github.com/ScanNet/ScanNet).
_CLASSES = {
    'wall': (1, [174, 199, 232]), 'floor': (2, [152, 223, 138]), 'cabinet': (3, [31, 119, 180]),
    'bed': (4, [255, 187, 120]), 'chair': (5, [188, 189, 34]), 'sofa': (6, [140, 86, 75]),
    'table': (7, [255, 152, 150]), 'door': (8, [214, 39, 40]), 'window': (9, [197, 176, 213]),
    'bookshelf': (10, [148, 103, 189]), 'picture': (11, [196, 156, 148]),
    'counter': (12, [23, 190, 207]), 'desk': (14, [247, 182, 210]),
    'curtain': (16, [219, 219, 141]), 'refrigerator': (24, [255, 127, 14]),
    'shower curtain': (28, [158, 218, 229]), 'toilet': (33, [44, 160, 44]),
    'sink': (34, [112, 128, 144]), 'bathtub': (36, [227, 119, 194]),
    'otherfurniture': (39, [82, 84, 163]),
}


@DATASETS.register_module()
class ScanNet20Dataset(StoredIdsDataset):
    """ScanNet, the 20 classes of its benchmark: frames of videos that scan rooms.

    Dai et al., "ScanNet: Richly-annotated 3D reconstructions of indoor scenes", 2017. Files are
    those of the authors' ``scannet_frames_25k``: image ``SCENE/color/NAME.jpg`` and label map
    ``SCENE/label/NAME.png`` with the 40 ids of NYUv2 (1 to 40); 0 and the 20 ids that the benchmark
    does not evaluate are not labelled.

    Args:
        ann_file: List of the scenes of the split, one in a line, such as the authors'
            ``scannetv2_val.txt``. Default: all scenes.
        img_suffix: As in ``BaseSegDataset``.
        seg_map_suffix: As in ``BaseSegDataset``.
        kwargs: As in ``BaseSegDataset``.
    """

    METAINFO = {'classes': tuple(_CLASSES), 'palette': [colour for _, colour in _CLASSES.values()]}
    STORED_IDS = {**dict.fromkeys(range(41), 255),
                  **{stored: i for i, (stored, _) in enumerate(_CLASSES.values())}}

    def __init__(self, ann_file: str = '', img_suffix: str = '.jpg', seg_map_suffix: str = '.png',
                 **kwargs) -> None:
        super().__init__(ann_file=ann_file, img_suffix=img_suffix, seg_map_suffix=seg_map_suffix,
                         **kwargs)

    def load_data_list(self) -> list[dict]:
        """Return the frames of the split's scenes.

        Raises:
            FileNotFoundError: The list, or the folder of a scene in it, is missing.
        """
        root, options = self.data_prefix['img_path'], {'backend_args': self.backend_args}
        if self.ann_file:
            scenes = [line.strip() for line in list_from_file(self.ann_file, **options)]
        else:
            scenes = list_dir_or_file(root, list_file=False, **options)
        return [self._info(scene, frame[:-len(self.img_suffix)])
                for scene in sorted(filter(None, scenes))
                for frame in sorted(list_dir_or_file(
                    os.path.join(root, scene, 'color'), list_dir=False, suffix=self.img_suffix,
                    **options))]

    def _info(self, scene: str, name: str) -> dict:
        info = {'img_path': os.path.join(self.data_prefix['img_path'], scene, 'color',
                                         name + self.img_suffix),
                'label_map': self.label_map, 'reduce_zero_label': self.reduce_zero_label,
                'seg_fields': []}
        if self.data_prefix.get('seg_map_path') is not None:
            info['seg_map_path'] = os.path.join(self.data_prefix['seg_map_path'], scene, 'label',
                                                name + self.seg_map_suffix)
        return info
