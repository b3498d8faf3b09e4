"""Street scenes whose files MMSegmentation has no class for, or another number of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from mmseg.datasets import BaseSegDataset, CityscapesDataset, MapillaryDataset_v1

from ..registry import DATASETS


class StoredIdsDataset(BaseSegDataset):
    """A dataset whose files hold other ids than those of its classes.

    MMSegmentation's ``label_map`` does the translation, so ``LoadLabelMap``, ``LoadAnnotations``, a
    part of the classes (``metainfo=dict(classes=...)``) and ``remap`` all work.

    Attributes:
        STORED_IDS: Class id of each stored id, 255 for none; other stored ids stay as they are.
    """

    STORED_IDS: ClassVar[Mapping[int, int]] = {}

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Return the new id of each stored id that changes."""
        chosen = super().get_label_map(new_classes) or {}
        new = {stored: chosen.get(class_id, class_id)
               for stored, class_id in cls.STORED_IDS.items()}
        return {stored: class_id for stored, class_id in new.items() if stored != class_id}

    def _update_palette(self) -> list:
        # MMSegmentation looks up a part of the colours by stored id.
        palette, classes = self._metainfo.get('palette', []), self._metainfo['classes']
        if len(palette) != len(self.METAINFO['classes']):
            return super()._update_palette()
        colours = dict(zip(self.METAINFO['classes'], palette))
        return [colours[name] for name in classes]


@DATASETS.register_module()
class IddDataset(BaseSegDataset):
    """India Driving Dataset at level 3 of its hierarchy, 26 classes: driving in India.

    Varma et al., "IDD: A dataset for exploring problems of autonomous navigation in unconstrained
    environments", 2019. Label maps are the ``_gtFine_labellevel3Ids.png`` that the authors' script
    writes (github.com/AutoNUE/public-code); 255 is not labelled. Several of their labels share an
    id of level 3. Names of the classes: the authors' evaluation (``evaluate_mIoU.py``) for all.
    """

    # In each comment: the labels of level 4 that share the id, from the authors' anue_labels.py.
    METAINFO = {
        'classes': (
            'road',
            'drivable fallback',  # parking, drivable fallback
            'sidewalk',
            'non-drivable fallback',  # rail track, non-drivable fallback
            'person',  # person, animal
            'rider', 'motorcycle', 'bicycle', 'autorickshaw', 'car', 'truck', 'bus',
            'vehicle fallback',  # caravan, trailer, train, vehicle fallback
            'curb', 'wall', 'fence', 'guard rail', 'billboard', 'traffic sign', 'traffic light',
            'pole',  # pole, polegroup
            'obs-str-bar-fallback', 'building',
            'bridge',  # bridge, tunnel
            'vegetation',
            'sky',  # sky, fallback background
        ),
        'palette': [
            [128, 64, 128], [81, 0, 81], [244, 35, 232], [152, 251, 152], [220, 20, 60],
            [255, 0, 0], [0, 0, 230], [119, 11, 32], [255, 204, 54], [0, 0, 142], [0, 0, 70],
            [0, 60, 100], [136, 143, 153], [220, 190, 40], [102, 102, 156], [190, 153, 153],
            [180, 165, 180], [174, 64, 67], [220, 220, 0], [250, 170, 30], [153, 153, 153],
            [169, 187, 214], [70, 70, 70], [150, 100, 100], [107, 142, 35], [70, 130, 180]],
    }

    def __init__(self, img_suffix: str = '_leftImg8bit.png',
                 seg_map_suffix: str = '_gtFine_labellevel3Ids.png', **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)


@DATASETS.register_module()
class MapillaryVistas65Dataset(StoredIdsDataset):
    """Mapillary Vistas 1.2 with its 65 evaluated classes: street scenes of all continents.

    Neuhold et al., "The Mapillary Vistas dataset for semantic understanding of street scenes",
    2017. MMSegmentation's ``MapillaryDataset_v1`` counts id 65, `Unlabeled`, as a class; here it is
    not labelled.
    """

    METAINFO = {key: MapillaryDataset_v1.METAINFO[key][:-1] for key in ('classes', 'palette')}
    STORED_IDS = {**{i: i for i in range(len(METAINFO['classes']))},
                  len(METAINFO['classes']): 255}

    def __init__(self, img_suffix: str = '.jpg', seg_map_suffix: str = '.png', **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)


# Full label ids of Cityscapes (cityscapesscripts/helpers/labels.py) of the classes that it
# evaluates, in the order of the classes; the others of 0 to 33 are not labelled.
_FULL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
_CITYSCAPES_IDS = {**dict.fromkeys(range(34), 255),
                   **{full: class_id for class_id, full in enumerate(_FULL_IDS)}}


@DATASETS.register_module()
class CityscapesLabelIdsDataset(StoredIdsDataset):
    """The classes of Cityscapes in files that hold its full label ids, 0 to 33.

    So do KITTI's ``training/semantic`` (Alhaija et al., "Augmented reality meets computer vision",
    2018) and WildDash 1 (Zendel et al., "WildDash - Creating hazard-aware benchmarks", 2018), whose
    folders and suffixes are given in their entries, and Cityscapes' own ``_gtFine_labelIds.png``.
    """

    METAINFO = CityscapesDataset.METAINFO
    STORED_IDS = _CITYSCAPES_IDS

    def __init__(self, img_suffix: str = '.png', seg_map_suffix: str = '.png', **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)


@DATASETS.register_module()
class WildDash2Dataset(StoredIdsDataset):
    """WildDash 2, read in the classes of Cityscapes.

    Zendel et al., "Unifying panoptic segmentation for autonomous driving", 2022. Ids 0 to 33 are
    those of Cityscapes, 34 to 38 pickup, van, billboard, street light and road marking. They become
    what the authors' table gives for Cityscapes (``cs_name`` in ``wd2_unified_label_policy.json``,
    github.com/ozendelait/wilddash_scripts): truck, car, nothing, nothing, road.
    """

    METAINFO = CityscapesDataset.METAINFO
    STORED_IDS = {**_CITYSCAPES_IDS,
                  34: METAINFO['classes'].index('truck'), 35: METAINFO['classes'].index('car'),
                  36: 255, 37: 255, 38: METAINFO['classes'].index('road')}

    def __init__(self, img_suffix: str = '.jpg', seg_map_suffix: str = '.png', **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)
