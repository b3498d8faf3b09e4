# UniSeg, Tables 2 and 3: cross entropy over the union of the categories, HRNet-W48, IDD, BDD100K
# and Mapillary. The paper's mIoU on KITTI, WildDash and CamVid: 54.4, 53.5 and 77.7; on Cityscapes:
# 62.1. Not run here. Hyperparameters: see uniseg_hr48_cibm_ce.py.
_base_ = [
    '../_base_/models/hrnet_w48_fcn.py',
    '../_base_/mixes/mix_uniseg_ibm.py',
    '../_base_/schedules/schedule_uniseg_w48.py',
    '../_base_/default_runtime.py',
]
model = dict(
    datasets={{_base_.datasets}},
    label_space=dict(type='by_name', aliases='uniseg_cibm.json'),
    decode_head=dict(loss_decode=dict(space='unified')))
train_dataloader = dict(batch_size=32)
