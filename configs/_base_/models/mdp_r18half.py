# Pretraining of the network of r18half_s32_segformer.py by contrast of pixels (MDP). Views are
# never padded. A short run needs a momentum encoder that follows soon.
model = dict(
    type='MultiDatasetPretrainer',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size_divisor=1),
    backbone=dict(
        type='ResNet',
        depth=18,
        num_stages=4,
        stem_channels=32,
        base_channels=32,
        out_indices=(0, 1, 2, 3),
        dilations=(1, 1, 1, 1),
        strides=(1, 2, 2, 2),
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        style='pytorch'),
    decode_head=dict(
        type='SegformerHead',
        in_channels=[32, 64, 128, 256],
        in_index=[0, 1, 2, 3],
        channels=64,
        dropout_ratio=0.0,
        norm_cfg=dict(type='BN', requires_grad=True),
        align_corners=False),
    channels=64,
    momentum=0.99,
    mixing=dict(region=0.5, pixel=0.5),
    consistency=dict(weight=0.2))
