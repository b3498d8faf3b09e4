# ResNet-18 at stride 32 with a light decoder over all four stages: small enough for a CPU.
# No ImageNet weights: trained from scratch.
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    type='MultiDatasetSegmentor',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size_divisor=32),
    label_space=dict(type='disjoint'),
    backbone=dict(
        type='ResNet',
        depth=18,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        dilations=(1, 1, 1, 1),
        strides=(1, 2, 2, 2),
        norm_cfg=norm_cfg,
        norm_eval=False,
        style='pytorch'),
    decode_head=dict(
        type='UniSegHead',
        head=dict(
            type='SegformerHead',
            in_channels=[64, 128, 256, 512],
            in_index=[0, 1, 2, 3],
            channels=64,
            dropout_ratio=0.1,
            norm_cfg=norm_cfg,
            align_corners=False),
        classifier=dict(type='LinearNodeClassifier'),
        loss_decode=dict(type='PixelCrossEntropyLoss')),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
