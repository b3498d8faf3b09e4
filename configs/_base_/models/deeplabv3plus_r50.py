# DeepLabV3+ on a dilated ResNet-50 (stride 8) as He et al. have it, with one 7x7 convolution in
# the stem: MMSegmentation's deeplabv3plus_r50b-d8 without its auxiliary head. No weights to start
# from: backbone.init_cfg names them.
# With several processes batch norms are synchronised; a single one has ordinary ones. On CPUs torch
# cannot synchronise them: --cfg-options sync_bn=None
sync_bn = 'torch'
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
        size_divisor=1),
    label_space=dict(type='disjoint'),
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
        type='UniSegHead',
        head=dict(
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
        loss_decode=dict(type='PixelCrossEntropyLoss')),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
