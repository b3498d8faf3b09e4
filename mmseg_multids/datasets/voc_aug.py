"""PASCAL VOC 2012 with the further label maps of SBD."""

from __future__ import annotations

import os

from mmengine.fileio import list_dir_or_file
from mmseg.datasets import PascalVOCDataset

from ..registry import DATASETS


@DATASETS.register_module()
class PascalVOCAugDataset(PascalVOCDataset):
    """PASCAL VOC 2012, an image's label map from either of two folders.

    Hariharan et al., "Semantic contours from inverse detectors", 2011 (SBD), labelled further
    images of VOC. MMSegmentation's ``tools/dataset_converters/voc_aug.py`` writes their label maps
    into ``SegmentationClassAug`` and the joint list of 10,582 training images, ``trainaug.txt``,
    some of which only VOC's own ``SegmentationClass`` has. An image is read with VOC's own label
    map where there is one, as in MMSegmentation's ``pascal_voc12_aug.py``, else with SBD's.

    Args:
        data_prefix: Folders: ``img_path``, ``seg_map_path`` of VOC's own label maps and
            ``aug_seg_map_path`` of the others.
        kwargs: As in ``PascalVOCDataset``.

    Raises:
        ValueError: ``data_prefix`` has no ``aug_seg_map_path``.
    """

    def __init__(self, data_prefix: dict, **kwargs) -> None:
        if not data_prefix.get('aug_seg_map_path'):
            raise ValueError("PascalVOCAugDataset: data_prefix has no 'aug_seg_map_path', the "
                             'folder of the label maps of SBD; for those of VOC alone use '
                             "type='PascalVOCDataset'")
        super().__init__(data_prefix=data_prefix, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Return the images of the list, each with one label map."""
        infos = super().load_data_list()
        own = set(list_dir_or_file(self.data_prefix['seg_map_path'], list_dir=False,
                                   suffix=self.seg_map_suffix, backend_args=self.backend_args))
        for info in infos:
            name = os.path.basename(info['seg_map_path'])
            if name not in own:
                info['seg_map_path'] = os.path.join(self.data_prefix['aug_seg_map_path'], name)
        return infos
