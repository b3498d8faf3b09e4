# The ResNet-18 of r18_s32_segformer.py at half its width: a quarter of the time per step.
_base_ = './r18_s32_segformer.py'
model = dict(
    backbone=dict(stem_channels=32, base_channels=32),
    decode_head=dict(head=dict(in_channels=[32, 64, 128, 256])))
