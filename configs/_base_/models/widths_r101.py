# What a PSPNet on ResNet-18 needs to become one on ResNet-101: `model = {{_base_.r101}}`.
r101 = dict(
    backbone=dict(
        depth=101, init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://resnet101_v1c')),
    decode_head=dict(head=dict(in_channels=2048, channels=512)),
    auxiliary_head=dict(head=dict(in_channels=1024, channels=256)))
