"""SUN RGB-D, the colour images alone."""

from __future__ import annotations

import os
import re

from ..label_spaces.space import distinct_colours
from ..registry import DATASETS
from .street import StoredIdsDataset

# Order: the list of 37 classes in the authors' SUNRGBDtoolbox (seg37list.mat), which is that of the
# first 37 of NYUv2's 40. Names: written out, as in MSeg's sunrgbd-37_names.txt
# (github.com/mseg-dataset/mseg-api), but for its `refridgerator`.
_CLASSES = (
    'wall', 'floor', 'cabinet', 'bed', 'chair', 'sofa', 'table', 'door', 'window', 'bookshelf',
    'picture', 'counter', 'blinds', 'desk', 'shelves', 'curtain', 'dresser', 'pillow', 'mirror',
    'floor mat', 'clothes', 'ceiling', 'books', 'refrigerator', 'television', 'paper', 'towel',
    'shower curtain', 'box', 'whiteboard', 'person', 'night stand', 'toilet', 'sink', 'lamp',
    'bathtub', 'bag')


@DATASETS.register_module()
class SunRgbdDataset(StoredIdsDataset):
    """SUN RGB-D, 37 classes: rooms, photographed with four kinds of depth cameras.

    Song, Lichtenberg and Xiao, "SUN RGB-D: A RGB-D scene understanding benchmark suite", 2015.
    Files are those of github.com/chrischoy/SUN_RGBD, which holds what the authors' toolbox keeps in
    a MATLAB file: image ``image/SPLIT/img-000001.jpg`` belongs to ``label37/SPLIT/00000001.png``,
    whose ids are 1 to 37, and 0 where nothing is labelled. The depth is not read.
    """

    METAINFO = {
        'classes': _CLASSES,
        'palette': [list(colour) for colour in distinct_colours(len(_CLASSES))],
    }
    STORED_IDS = {0: 255, **{i + 1: i for i in range(len(_CLASSES))}}

    def __init__(self, img_suffix: str = '.jpg', seg_map_suffix: str = '.png', **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Return the images; their numbers have six digits, those of the label maps eight.

        Raises:
            FileNotFoundError: An image is not called ``img-NUMBER``.
        """
        infos = super().load_data_list()
        for info in infos:
            name = os.path.basename(info['img_path'])[:-len(self.img_suffix)]
            found = re.fullmatch(r'img-(\d+)', name)
            if found is None:
                raise FileNotFoundError(
                    f'image {info["img_path"]} is not called img-NUMBER{self.img_suffix}, by which '
                    'its label map is found')
            if 'seg_map_path' in info:
                folder = os.path.dirname(info['seg_map_path'])
                info['seg_map_path'] = os.path.join(
                    folder, f'{int(found[1]):08d}{self.seg_map_suffix}')
        return infos
