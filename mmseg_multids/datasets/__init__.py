"""Where samples come from."""

from .batch_sampler import CropScheduleBatchSampler
from .camvid_full import CamVidMSegDataset
from .camvid_segnet import CamVidDataset
from .centroids import CentroidIndex, open_centroids
from .coco_stuff import CocoStuff182Dataset
from .indoor import SunRgbdDataset
from .label_maps import LabelMaps
from .metainfo import label_space_from_cfg, label_spaces_from_cfg
from .multi_dataset import MultiDataset
from .panoptic import CocoPanopticDataset
from .plans import SamplePlan, build_plan
from .pseudo_labels import PseudoLabelDataset
from .realbench import (
    CamVid11Dataset,
    LabelMeFacade8Dataset,
    MumbaiAerial6Dataset,
    Ycor8Dataset,
)
from .request import SampleRequest
from .sampler import MultiDatasetSampler
from .scannet import ScanNet20Dataset
from .street import (
    CityscapesLabelIdsDataset,
    IddDataset,
    MapillaryVistas65Dataset,
    WildDash2Dataset,
)
from .synthetic import ViperDataset
from .toyworld import RenderToyWorld, ToyWorldDataset
from .transforms import (
    LoadLabelMap,
    LoadSoftLabel,
    PackSoftSegInputs,
    PlannedCrop,
    PretrainViews,
    RandomColourJitter,
    RandomGaussianBlur,
    RandomScale,
)
from .unlabelled import UnlabelledImages
from .voc_aug import PascalVOCAugDataset

__all__ = [
    'CamVid11Dataset',
    'CamVidDataset',
    'CamVidMSegDataset',
    'CentroidIndex',
    'CityscapesLabelIdsDataset',
    'CocoPanopticDataset',
    'CocoStuff182Dataset',
    'CropScheduleBatchSampler',
    'IddDataset',
    'LabelMeFacade8Dataset',
    'LabelMaps',
    'LoadLabelMap',
    'LoadSoftLabel',
    'MapillaryVistas65Dataset',
    'MultiDataset',
    'MultiDatasetSampler',
    'MumbaiAerial6Dataset',
    'PackSoftSegInputs',
    'PascalVOCAugDataset',
    'PlannedCrop',
    'PretrainViews',
    'PseudoLabelDataset',
    'RandomColourJitter',
    'RandomGaussianBlur',
    'RandomScale',
    'RenderToyWorld',
    'SamplePlan',
    'SampleRequest',
    'ScanNet20Dataset',
    'SunRgbdDataset',
    'ToyWorldDataset',
    'UnlabelledImages',
    'ViperDataset',
    'WildDash2Dataset',
    'Ycor8Dataset',
    'build_plan',
    'label_space_from_cfg',
    'label_spaces_from_cfg',
    'open_centroids',
]
