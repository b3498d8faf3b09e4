"""Four small real datasets with different label spaces.

Folders ``images/{train,val}/*.jpg`` and ``labels/{train,val}/*.png`` (class ids, 255 not labelled).
"""

from __future__ import annotations

from mmseg.datasets import BaseSegDataset

from ..registry import DATASETS


class _JpgPngDataset(BaseSegDataset):
    """Images as .jpg, label maps as .png of the same stem."""

    def __init__(self, img_suffix: str = '.jpg', seg_map_suffix: str = '.png', **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)


@DATASETS.register_module()
class CamVid11Dataset(_JpgPngDataset):
    """CamVid with the 11 classes and the split of SegNet: urban driving, UK, video stills.

    Brostow et al., "Semantic object classes in video", 2009.
    """

    METAINFO = {
        'classes': ('Sky', 'Building', 'Pole', 'Road', 'Pavement', 'Tree', 'SignSymbol', 'Fence',
                    'Car', 'Pedestrian', 'Bicyclist'),
        'palette': [[128, 128, 128], [128, 0, 0], [192, 192, 128], [128, 64, 128], [60, 40, 222],
                    [128, 128, 0], [192, 128, 128], [64, 64, 128], [64, 0, 128], [64, 64, 0],
                    [0, 128, 192]],
    }


@DATASETS.register_module()
class Ycor8Dataset(_JpgPngDataset):
    """Yamaha-CMU Off-Road, 8 classes: off-road driving, US.

    Maturana et al., "Real-time semantic mapping for autonomous off-road navigation", 2017.
    """

    METAINFO = {
        'classes': ('smooth trail', 'traversable grass', 'rough trail', 'puddle', 'obstacle',
                    'non-traversable low vegetation', 'high vegetation', 'sky'),
        'palette': [[178, 176, 153], [128, 255, 0], [156, 76, 30], [255, 0, 128], [255, 0, 0],
                    [0, 160, 0], [40, 80, 0], [1, 88, 255]],
    }


@DATASETS.register_module()
class LabelMeFacade8Dataset(_JpgPngDataset):
    """LabelMeFacade, 8 classes: street facades, hand-held photographs.

    Froehlich, Rodner and Denzler, "A fast approach for pixelwise labeling of facade images", 2010.
    """

    METAINFO = {
        'classes': ('building', 'car', 'door', 'pavement', 'road', 'sky', 'vegetation', 'window'),
        'palette': [[128, 0, 0], [128, 0, 128], [128, 128, 0], [128, 128, 128], [128, 64, 0],
                    [0, 128, 128], [0, 128, 0], [0, 0, 128]],
    }


@DATASETS.register_module()
class MumbaiAerial6Dataset(_JpgPngDataset):
    """Mumbai semantic segmentation, 6 classes: satellite images seen from above, 0.5 m per pixel.

    Dabra and Kumar, "Evaluating green cover and open spaces in informal settlements of Mumbai using
    deep learning", 2023.
    """

    METAINFO = {
        'classes': ('Vegetation', 'Built-Up', 'Unplanned Urban Areas', 'Impervious Surfaces',
                    'Barren', 'Water'),
        'palette': [[80, 140, 50], [200, 200, 200], [250, 235, 185], [100, 100, 150],
                    [200, 160, 40], [40, 120, 240]],
    }
