# Self-training, Table 5: fine-tuning the student on CamVid, crops of 640x640, 80 epochs. The
# paper's mIoU on the test set: 81.6. Not run here. Another checkpoint; fresh rows of the
# classifier:
#   --cfg-options model.finetune_from=FILE
#   --cfg-options model.finetune_classifier=None
_base_ = [
    '../_base_/models/deeplabv3plus_wrn38.py',
    '../_base_/mixes/loaders_self_training.py',
    '../_base_/datasets/camvid.py',
    '../_base_/schedules/schedule_self_training.py',
    '../_base_/default_runtime.py',
]
datasets = [{{_base_.camvid}}]
model = dict(
    datasets=datasets,
    finetune_from='work_dirs/selftrain_student_wrn38_cityscapes/iter_133920.pth',
    finetune_classifier='by_name',
    decode_head=dict(sampler={{_base_.ohem}}))
# The paper's crops are of images of 960x720 pixels, these are of 480x360 with the same 11 classes:
# they are doubled, and then scaled by 0.5 to 2.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabelMap'),
    dict(type='RandomScale', ratio_range=(1.0, 4.0)),
    dict(type='PlannedCrop'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomColourJitter', brightness=0.1, contrast=0.1, saturation=0.1, hue=0.1),
    dict(type='RandomGaussianBlur', sigma_range=(0.15, 1.3), prob=0.5),
    dict(type='PackSegInputs'),
]
# Labels are loaded after the image is resized: predictions are compared at the labels' own size.
val_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale_factor=2.0, keep_ratio=True),
    dict(type='LoadLabelMap'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale_factor=2.0, keep_ratio=True),
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale_factor=r, keep_ratio=True) for r in (1.0, 2.0, 4.0)],
            [
                dict(type='RandomFlip', prob=0.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='horizontal')
            ],
            [dict(type='LoadLabelMap')],
            [dict(type='PackSegInputs')],
        ]),
]
optim_wrapper = dict(optimizer=dict(lr=0.002))
train_cfg = dict(val_interval=460)
train_dataloader = dict(
    batch_sampler=dict(sizes=(640, ), epochs=80),
    dataset=dict(datasets=datasets, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(datasets=datasets, pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(datasets=datasets, pipeline=val_pipeline))
