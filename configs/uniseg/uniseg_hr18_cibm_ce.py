# UniSeg, Tables 1 and A-2: cross entropy over the union of the categories, HRNet-W18, Cityscapes,
# IDD, BDD100K and Mapillary. The paper's mIoU on KITTI, WildDash and CamVid: 48.8, 46.0 and 72.7;
# on the validation sets of the mix: 71.8, 63.1, 60.4 and 37.2. Not run here.
#
# Batches of 16: `batch_size` is per process, with n GPUs 16 / n. Hyperparameters: the files in
# `_base_`, which say what the paper does not give.
_base_ = [
    '../_base_/models/hrnet_w18_fcn.py',
    '../_base_/mixes/mix_uniseg_cibm.py',
    '../_base_/schedules/schedule_uniseg_w18.py',
    '../_base_/default_runtime.py',
]
model = dict(
    datasets={{_base_.datasets}},
    label_space=dict(type='by_name', aliases='uniseg_cibm.json'),
    decode_head=dict(loss_decode=dict(space='unified')))
