# UniSeg, Tables 2 and A-2: cross entropy over the union of the categories, HRNet-W48, Cityscapes,
# IDD, BDD100K and Mapillary. The paper's mIoU on KITTI, WildDash and CamVid: 57.0, 56.0 and 78.1;
# on the validation sets of the mix: 80.4, 70.4, 67.1 and 46.4. Not run here.
#
# Batches of 32: `batch_size` is per process, with n GPUs 32 / n. Hyperparameters: the files in
# `_base_`, which say what the paper does not give.
_base_ = [
    '../_base_/models/hrnet_w48_fcn.py',
    '../_base_/mixes/mix_uniseg_cibm.py',
    '../_base_/schedules/schedule_uniseg_w48.py',
    '../_base_/default_runtime.py',
]
model = dict(
    datasets={{_base_.datasets}},
    label_space=dict(type='by_name', aliases='uniseg_cibm.json'),
    decode_head=dict(loss_decode=dict(space='unified')))
train_dataloader = dict(batch_size=32)
