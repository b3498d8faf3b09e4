# Pretraining of DeepLabV3+ with a standard ResNet-50 by contrast of pixels (MDP, section 4.1): the
# network of deeplabv3plus_r50.py with projections behind what its classifier would see. `images` is
# the paper's N_b for PASCAL VOC with ADE20K.
_base_ = './deeplabv3plus_r50.py'
model = dict(
    _delete_=True,
    type='MultiDatasetPretrainer',
    data_preprocessor={{_base_.model.data_preprocessor}},
    backbone={{_base_.model.backbone}},
    decode_head={{_base_.model.decode_head.head}},
    images=10240,
    channels=256,
    temperature=0.07,
    threshold=0.8,
    momentum=0.999)
