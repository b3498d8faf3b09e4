# DeepLabV3+ on WideResNet-38 (model A2, stride 8), with 256 channels in the decoder, which is at
# stride 2, as in Zhu et al., "Improving semantic segmentation via video propagation and label
# relaxation", 2019. No weights to start from: backbone.init_cfg names them.
_base_ = './deeplabv3plus_r50.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='WideResNet38',
        output_stride=8,
        out_indices=(0, 5),
        norm_cfg=dict(type='BN', requires_grad=True)),
    decode_head=dict(
        head=dict(in_channels=4096, in_index=1, channels=256, c1_in_channels=128)))
