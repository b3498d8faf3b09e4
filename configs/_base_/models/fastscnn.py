# Fast-SCNN (Poudel et al., 2019) with MMSegmentation's heads, from scratch. The auxiliary heads
# stand behind its two branches.
# With several processes batch norms are synchronised; a single one has ordinary ones. On CPUs torch
# cannot synchronise them: --cfg-options sync_bn=None
sync_bn = 'torch'
norm_cfg = dict(type='BN', requires_grad=True, momentum=0.01)
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
    backbone=dict(type='FastSCNN', out_indices=(0, 1, 2), norm_cfg=norm_cfg),
    decode_head=dict(
        type='UniSegHead',
        head=dict(
            type='DepthwiseSeparableFCNHead',
            in_channels=128,
            in_index=2,
            channels=128,
            concat_input=False,
            norm_cfg=norm_cfg,
            align_corners=False),
        loss_decode=dict(type='PixelCrossEntropyLoss')),
    auxiliary_head=[
        dict(
            type='UniSegHead',
            head=dict(
                type='FCNHead',
                in_channels=channels,
                in_index=index,
                channels=32,
                num_convs=1,
                concat_input=False,
                norm_cfg=norm_cfg,
                align_corners=False),
            loss_decode=dict(type='PixelCrossEntropyLoss', loss_weight=0.4))
        for channels, index in ((128, 1), (64, 0))
    ],
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
