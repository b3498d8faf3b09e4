# Loaders of CDCL, section 4.1.2: scales 0.5 to 2.1 of an image's own size, crops of 512x512,
# flips, batches of 8 images of one dataset in turn (`batch_size` is per process: with n GPUs
# 8 / n); no photometric augmentation is mentioned.
# What a scaled image lacks of a crop is padded and has no label: on average 23 % of a crop of
# CamVid's 480x360 pixels, 11 % of COCO's 640x480, 2 % of BDD100K, nothing of Cityscapes.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabelMap'),
    dict(type='RandomScale', ratio_range=(0.5, 2.1)),
    dict(type='PlannedCrop', crop_size=(512, 512)),
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
# The paper names no scales for its multi-scale test. Its FLOPs (Table 6) are 3.375 times those of
# one scale, which is what these four cost without flips.
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='Resize', scale_factor=r, keep_ratio=True)
                for r in (0.5, 0.75, 1.0, 1.25)
            ],
            [dict(type='LoadLabelMap')],
            [dict(type='PackSegInputs')],
        ]),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='MultiDatasetSampler', plan=dict(type='alternate')),
    dataset=dict(type='MultiDataset', split='train', pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='MultiDataset', split='val', pipeline=val_pipeline, test_mode=True))
# The `test` splits differ from `val` where test labels are public, as CamVid's are.
test_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='MultiDataset', split='test', pipeline=val_pipeline, test_mode=True))
val_evaluator = dict(type='MultiDatasetIoUMetric')
test_evaluator = val_evaluator
