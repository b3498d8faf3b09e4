# HRNetV2-W48: hrnet_w18_fcn.py with more channels.
_base_ = './hrnet_w18_fcn.py'
model = dict(
    backbone=dict(
        extra=dict(
            stage2=dict(num_channels=(48, 96)),
            stage3=dict(num_channels=(48, 96, 192)),
            stage4=dict(num_channels=(48, 96, 192, 384))),
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://msra/hrnetv2_w48')),
    decode_head=dict(head=dict(in_channels=[48, 96, 192, 384], channels=720)))
