"""CamVid in its authors' files, in the reduced label space of MSeg."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from mmseg.datasets import BaseSegDataset

from ..registry import DATASETS

# Colours of CamVid's 32 labels (label_colors.txt of its authors; the same in MSeg's
# camvid-32_names.txt and camvid-32_colors.txt) and the 11 that MSeg keeps
# (camvid-32_to_camvid-11.tsv, github.com/mseg-dataset/mseg-api). Which name of a class stands for
# the label in other datasets is MSeg's as well (column camvid-11 of MSeg_master.tsv).
_KEPT = {  # name: (colour, CamVid's label)
    'building': ((128, 0, 0), 'Building'),
    'vegetation': ((128, 128, 0), 'Tree'),
    'sky': ((128, 128, 128), 'Sky'),
    'car': ((64, 0, 128), 'Car'),
    'traffic sign': ((192, 128, 128), 'SignSymbol'),
    'road': ((128, 64, 128), 'Road'),
    'person': ((64, 64, 0), 'Pedestrian'),
    'fence': ((64, 64, 128), 'Fence'),
    'pole': ((192, 192, 128), 'Column_Pole'),
    'sidewalk': ((0, 0, 192), 'Sidewalk'),
    'bicyclist': ((0, 128, 192), 'Bicyclist'),
}
_NOT_KEPT = {
    'Animal': (64, 128, 64), 'Archway': (192, 0, 128), 'Bridge': (0, 128, 64),
    'CartLuggagePram': (64, 0, 192), 'Child': (192, 128, 64), 'LaneMkgsDriv': (128, 0, 192),
    'LaneMkgsNonDriv': (192, 0, 64), 'Misc_Text': (128, 128, 64),
    'MotorcycleScooter': (192, 0, 192), 'OtherMoving': (128, 64, 64),
    'ParkingBlock': (64, 192, 128), 'RoadShoulder': (128, 128, 192),
    'SUVPickupTruck': (64, 128, 192), 'TrafficCone': (0, 0, 64), 'TrafficLight': (0, 64, 64),
    'Train': (192, 64, 128), 'Truck_Bus': (192, 128, 192), 'Tunnel': (64, 0, 64),
    'VegetationMisc': (192, 192, 0), 'Void': (0, 0, 0), 'Wall': (64, 192, 0),
}


@DATASETS.register_module()
class CamVidMSegDataset(BaseSegDataset):
    """CamVid with the 11 classes of MSeg: urban driving, UK, video stills.

    Brostow et al., "Semantic object classes in video", 2009; classes of Lambert et al., "MSeg: A
    composite dataset for multi-domain semantic segmentation", 2020, which is the reduced label
    space that UniSeg, section 4.1, refers to. Other than in SegNet's 11 classes
    (:class:`CamVidDataset`), the 21 labels that are left (wall, truck, traffic light, ...) are not
    labelled instead of joined to others. The classes are called as in Cityscapes and Mapillary.

    Files are the authors': ``701_StillsRaw_full/NAME.png`` and, as colours,
    ``LabeledApproved_full/NAME_L.png``. ``LoadLabelMap`` turns the colours into ids;
    MMSegmentation's ``LoadAnnotations`` cannot.

    Args:
        frames: Which frames belong to the split: runs ``(sequence, first, last)``, both included.
            Default: all.
        img_suffix: As in ``BaseSegDataset``.
        seg_map_suffix: As in ``BaseSegDataset``.
        kwargs: As in ``BaseSegDataset``.
    """

    METAINFO = {'classes': tuple(_KEPT), 'palette': [list(colour) for colour, _ in _KEPT.values()]}

    #: ((red, green, blue), class id or 255) of each colour in the files.
    LABEL_COLOURS = (*((colour, i) for i, (colour, _) in enumerate(_KEPT.values())),
                     *((colour, 255) for colour in _NOT_KEPT.values()))

    def __init__(self, frames: Sequence[tuple[str, int, int]] | None = None,
                 img_suffix: str = '.png', seg_map_suffix: str = '_L.png', **kwargs) -> None:
        self._frames = None if frames is None else [tuple(run) for run in frames]
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Return the frames of the split."""
        infos = [info for info in super().load_data_list() if self._belongs(info['img_path'])]
        for info in infos:
            info['label_colours'] = self.LABEL_COLOURS
        return infos

    def _belongs(self, path: str) -> bool:
        if self._frames is None:
            return True
        found = re.fullmatch(r'(\w+)_f?(\d+)', os.path.basename(path)[:-len(self.img_suffix)])
        return found is not None and any(
            found[1] == sequence and first <= int(found[2]) <= last
            for sequence, first, last in self._frames)
