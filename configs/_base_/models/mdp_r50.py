# Pretraining of DeepLabV3+ with a standard ResNet-50 by contrast of pixels (MDP, section 4.1): the
# network of deeplabv3plus_r50.py with projections behind what its classifier would see. `images` is
# the paper's N_b for PASCAL VOC with ADE20K.
# With several processes batch norms are synchronised. On CPUs torch cannot synchronise them:
# --cfg-options sync_bn=None
sync_bn = 'torch'
norm_cfg = dict(type='BN', requires_grad=True)
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
        depth=50,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        dilations=(1, 1, 2, 4),
        strides=(1, 2, 1, 1),
        norm_cfg=norm_cfg,
        norm_eval=False,
        style='pytorch',
        contract_dilation=True),
    decode_head=dict(
        type='DepthwiseSeparableASPPHead',
        in_channels=2048,
        in_index=3,
        channels=512,
        dilations=(1, 12, 24, 36),
        c1_in_channels=256,
        c1_channels=48,
        dropout_ratio=0.1,
        norm_cfg=norm_cfg,
        align_corners=False),
    images=10240,
    channels=256,
    temperature=0.07,
    threshold=0.8,
    momentum=0.999)
