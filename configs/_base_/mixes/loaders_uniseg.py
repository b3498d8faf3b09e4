# Loaders of UniSeg, section 3.4: images with a shorter side of 1080 pixels, scaling, crops of
# 713x713, flips, the datasets concatenated, batches of 16 (HRNet-W18; 32 for W48; `batch_size` is
# per process: with n GPUs 16 / n). The range of the scaling is not given; 0.5 to 2 is that of
# MSeg's training configs, which have the same sizes. Both resizes are done in one. What a scaled
# image lacks of a crop is padded and has no label.
# Tests are at 1080 pixels as well: the height, which is the shorter side but for upright images.
_base_ = [
    '../datasets/kitti.py',
    '../datasets/wilddash.py',
    '../datasets/camvid_mseg.py',
]
unseen = [
    {{_base_.kitti}},
    {{_base_.wilddash}},
    {{_base_.camvid_mseg}},
]
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabelMap'),
    dict(type='RandomResize', scale=(100000, 1080), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='PlannedCrop', crop_size=(713, 713)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
# Labels are loaded after the image is resized: predictions are compared at the labels' own size.
val_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(100000, 1080), keep_ratio=True),
    dict(type='LoadLabelMap'),
    dict(type='PackSegInputs'),
]
# For images from files (`mmseg_multids.apis.inference`, MMSegmentation's `inference_model`).
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(100000, 1080), keep_ratio=True),
    dict(type='PackSegInputs'),
]
# The paper tests at one scale; these are ours.
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='Resize', scale=(100000, side), keep_ratio=True)
                for side in (810, 1080, 1350)
            ],
            [
                dict(type='RandomFlip', prob=0.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='horizontal')
            ],
            [dict(type='LoadLabelMap')],
            [dict(type='PackSegInputs')],
        ]),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='MultiDatasetSampler', plan=dict(type='concat')),
    dataset=dict(type='MultiDataset', split='train', pipeline=train_pipeline))
# Validation is on the datasets that are trained on, the test on others.
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='MultiDataset', split='val', pipeline=val_pipeline, test_mode=True))
test_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='MultiDataset',
        datasets=unseen,
        split='test',
        pipeline=val_pipeline,
        test_mode=True))
val_evaluator = dict(type='MultiDatasetIoUMetric')
test_evaluator = val_evaluator
