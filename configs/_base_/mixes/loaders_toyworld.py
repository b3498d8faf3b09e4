# Loaders of ToyWorld mixes: scenes are drawn when they are asked for.
train_pipeline = [
    dict(type='RenderToyWorld'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
val_pipeline = [dict(type='RenderToyWorld'), dict(type='PackSegInputs')]
# For images from files (`mmseg_multids.apis.inference`, MMSegmentation's `inference_model`).
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
tta_pipeline = [
    dict(type='RenderToyWorld', parts=['image']),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale_factor=r, keep_ratio=True) for r in (0.75, 1.0, 1.25)],
            [
                dict(type='RandomFlip', prob=0.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='horizontal')
            ],
            [dict(type='RenderToyWorld', parts=['labels'])],
            [dict(type='PackSegInputs')],
        ]),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='MultiDatasetSampler', plan=dict(type='mixed')),
    dataset=dict(type='MultiDataset', split='train', pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='MultiDataset', split='val', pipeline=val_pipeline, test_mode=True))
test_dataloader = val_dataloader
val_evaluator = dict(type='MultiDatasetIoUMetric', frequent_share=0.005)
test_evaluator = val_evaluator
