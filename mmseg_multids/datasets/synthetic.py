"""VIPER, street scenes of a computer game."""

from __future__ import annotations

from ..registry import DATASETS
from .street import StoredIdsDataset

# id and colour of the classes with class_eval = 1, in the order of their trainid: classes.csv of
# the authors (github.com/srrichter/viper).
_CLASSES = {
    'sky': (2, [70, 130, 180]), 'road': (3, [128, 64, 128]), 'sidewalk': (4, [244, 35, 232]),
    'terrain': (6, [152, 251, 152]), 'tree': (7, [87, 182, 35]), 'vegetation': (8, [35, 142, 35]),
    'building': (9, [70, 70, 70]), 'infrastructure': (10, [153, 153, 153]),
    'fence': (11, [190, 153, 153]), 'billboard': (12, [150, 20, 20]),
    'trafficlight': (13, [250, 170, 30]), 'trafficsign': (14, [220, 220, 0]),
    'mobilebarrier': (15, [180, 180, 100]), 'firehydrant': (16, [173, 153, 153]),
    'chair': (17, [168, 153, 153]), 'trash': (18, [81, 0, 21]), 'trashcan': (19, [81, 0, 81]),
    'person': (20, [220, 20, 60]), 'motorcycle': (23, [0, 0, 230]), 'car': (24, [0, 0, 142]),
    'van': (25, [0, 80, 100]), 'bus': (26, [0, 60, 100]), 'truck': (27, [0, 0, 70]),
}


@DATASETS.register_module()
class ViperDataset(StoredIdsDataset):
    """VIPER with its 23 evaluated classes: driving, riding and walking in the game GTA V.

    Richter, Hayder and Koltun, "Playing for benchmarks", 2017; one of the training datasets of the
    Robust Vision Challenge 2022. Files are the authors': ``SPLIT/img/SEQUENCE/NAME.jpg`` (``.png``
    in the lossless packages) and ``SPLIT/cls/SEQUENCE/NAME.png`` with ids 0 to 31. Not evaluated,
    hence not labelled, are unlabeled (0), ambiguous (1), railtrack (5), animal (21), bicycle (22),
    trailer (28), train (29), plane (30) and boat (31).
    """

    METAINFO = {'classes': tuple(_CLASSES), 'palette': [colour for _, colour in _CLASSES.values()]}
    STORED_IDS = {**dict.fromkeys(range(32), 255),
                  **{stored: i for i, (stored, _) in enumerate(_CLASSES.values())}}

    def __init__(self, img_suffix: str = '.jpg', seg_map_suffix: str = '.png', **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)
