# Loaders of AutoUniSeg, section 4: three images of each dataset on each GPU, images scaled by 0.5
# to 2, crops of 768x768. What a scaled image lacks of a crop is padded and has no label.
# `batch_size` is that of one process: three times the number of datasets. Not from the paper:
# flips, and tests at the images' own size.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabelMap'),
    dict(type='RandomScale', ratio_range=(0.5, 2.0)),
    dict(type='PlannedCrop', crop_size=(768, 768)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
val_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabelMap'),
    dict(type='PackSegInputs'),
]
# For images from files (`mmseg_multids.apis.inference`, MMSegmentation's `inference_model`).
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale_factor=r, keep_ratio=True) for r in (0.75, 1.0, 1.25)],
            [
                dict(type='RandomFlip', prob=0.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='horizontal')
            ],
            [dict(type='LoadLabelMap')],
            [dict(type='PackSegInputs')],
        ]),
]
train_dataloader = dict(
    batch_size=21,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='MultiDatasetSampler', plan=dict(type='mixed')),
    dataset=dict(type='MultiDataset', split='train', pipeline=train_pipeline))
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
    dataset=dict(type='MultiDataset', split='val', pipeline=val_pipeline, test_mode=True))
val_evaluator = dict(type='MultiDatasetIoUMetric')
test_evaluator = val_evaluator
