"""Small models and batches for tests."""

from __future__ import annotations

import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

DATASETS = [
    {'name': 'one', 'type': 'BaseSegDataset', 'metainfo': {'classes': ('road', 'sky', 'car')}},
    {'name': 'two', 'type': 'BaseSegDataset',
     'metainfo': {'classes': ('Sky', 'tree', 'road', 'person')}},
]
NORM = {'type': 'BN'}
FCN = {'type': 'FCNHead', 'in_channels': 512, 'in_index': 3, 'channels': 8, 'num_convs': 1,
       'concat_input': False, 'norm_cfg': NORM, 'dropout_ratio': 0.0}


def model_cfg(head: dict | None = None, **changes) -> dict:
    """Config of a ResNet-18 segmentor on two tiny datasets."""
    cfg = {
        'type': 'MultiDatasetSegmentor', 'datasets': DATASETS,
        'label_space': {'type': 'disjoint'},
        'data_preprocessor': {'type': 'SegDataPreProcessor', 'mean': [0, 0, 0],
                              'std': [255, 255, 255], 'size_divisor': 32},
        'backbone': {'type': 'ResNet', 'depth': 18, 'num_stages': 4, 'out_indices': (0, 1, 2, 3),
                     'strides': (1, 2, 2, 2), 'dilations': (1, 1, 1, 1), 'norm_cfg': NORM},
        'decode_head': {'type': 'UniSegHead', 'head': dict(head or FCN),
                        'loss_decode': {'type': 'CrossEntropyLoss', 'avg_non_ignore': True}},
        'train_cfg': {}, 'test_cfg': {'mode': 'whole'}}
    cfg.update(changes)
    return ConfigDict(cfg)


def build(head: dict | None = None, **changes):
    """Build and initialise."""
    torch.manual_seed(0)
    model = MODELS.build(model_cfg(head, **changes))
    model.init_weights()
    return model


def sample(dataset: str | None, size=(32, 32), seed=0, **metainfo) -> SegDataSample:
    """A data sample with random labels of its dataset."""
    classes = {'one': 3, 'two': 4, None: 2}[dataset]
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (1, *size), generator=generator)
    meta = {'ori_shape': size, 'img_shape': size, 'sample_name': str(seed), **metainfo}
    if dataset is not None:
        meta['dataset'] = dataset
    return SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=labels))


def batch(names, size=(32, 32), **metainfo) -> dict:
    """Images and samples of the named datasets."""
    generator = torch.Generator().manual_seed(1)
    images = [torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8)
              for _ in names]
    return {'inputs': images,
            'data_samples': [sample(n, size, i, **metainfo) for i, n in enumerate(names)]}
