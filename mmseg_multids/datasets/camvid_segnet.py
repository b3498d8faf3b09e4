"""CamVid in the files of the SegNet tutorial."""

from __future__ import annotations

from collections.abc import Sequence

from mmseg.datasets import BaseSegDataset

from ..registry import DATASETS
from .realbench import CamVid11Dataset

#: Id of pixels without a label in these files.
_UNLABELLED = len(CamVid11Dataset.METAINFO['classes'])


@DATASETS.register_module()
class CamVidDataset(BaseSegDataset):
    """CamVid with 11 classes: folders ``train`` and ``trainannot``, also for val and test.

    Brostow et al., "Semantic object classes in video", 2009; classes, ids, split and files of
    Badrinarayanan et al., "SegNet", 2017. Images and label maps are ``.png`` of the same name. The
    files hold 11 where nothing is labelled; MMSegmentation's ``label_map`` makes it 255.
    """

    METAINFO = CamVid11Dataset.METAINFO

    def __init__(self, img_suffix: str = '.png', seg_map_suffix: str = '.png', **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Return the new id of each stored id that changes."""
        return {_UNLABELLED: 255, **(super().get_label_map(new_classes) or {})}
