# Loaders of self-training, Zhu et al., section 4.2: scales 0.5 to 2 of an image's own size, crops
# of 800x800, flips, Gaussian blur, colours changed by a tenth, batches of 16 (`batch_size` is per
# process: with n GPUs 16 / n), 180 epochs. The paper names neither the blur's width nor how often
# it blurs. What a scaled image lacks of a crop is padded and has no label.
load = [dict(type='LoadImageFromFile'), dict(type='LoadLabelMap')]
augment = [
    dict(type='RandomScale', ratio_range=(0.5, 2.0)),
    dict(type='PlannedCrop'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomColourJitter', brightness=0.1, contrast=0.1, saturation=0.1, hue=0.1),
    dict(type='RandomGaussianBlur', sigma_range=(0.15, 1.3), prob=0.5),
]
train_pipeline = [*load, *augment, dict(type='PackSegInputs')]
# For soft pseudo labels (Table 7); images that have none are as above.
soft_train_pipeline = [
    *load,
    dict(type='LoadSoftLabel'), *augment,
    dict(type='PackSoftSegInputs')
]
val_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabelMap'),
    dict(type='PackSegInputs'),
]
# For images from files (`mmseg_multids.apis.inference`, MMSegmentation's `inference_model`).
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
# Section 4.3: scales 0.5, 1 and 2, flipped as well. For the overlapping tiles of the paper:
#   --cfg-options model.test_cfg.mode=slide model.test_cfg.crop_size=800,800
#                 model.test_cfg.stride=533,533
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale_factor=r, keep_ratio=True) for r in (0.5, 1.0, 2.0)],
            [
                dict(type='RandomFlip', prob=0.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='horizontal')
            ],
            [dict(type='LoadLabelMap')],
            [dict(type='PackSegInputs')],
        ]),
]
# The size of crops is the schedule's. With kind='coarse2fine+', sizes=(400, 480, 560, 640, 720,
# 800) and warmup_epochs=20 it is the paper's fast schedule (Table 4).
train_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='MultiDatasetSampler', plan=dict(type='concat')),
    batch_sampler=dict(
        type='CropScheduleBatchSampler', kind='constant', sizes=(800, ), epochs=180),
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
# "We adopt the OHEM loss following" HRNet and OCNet (section 4.2), without figures. Here: pixels
# whose label has a probability below 0.7, and of a batch at least 100,000 for each image.
#   decode_head=dict(sampler={{_base_.ohem}})
ohem = dict(type='OHEMPixelSampler', thresh=0.7, min_kept=100000)
