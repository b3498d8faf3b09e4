# DeepLabV3+ on a dilated ResNeXt-50 32x4d (stride 8) with ImageNet weights.
_base_ = './deeplabv3plus_r50.py'
model = dict(
    backbone=dict(
        type='ResNeXt',
        groups=32,
        base_width=4,
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://resnext50_32x4d')))
