# UniSeg, Tables 1 and 3: cross entropy over the union of the categories, HRNet-W18, Cityscapes, IDD
# and BDD100K. The paper's mIoU on KITTI, WildDash and CamVid: 46.2, 44.3 and 70.3; on Mapillary:
# 45.7. Not run here. Hyperparameters: see uniseg_hr18_cibm_ce.py.
_base_ = [
    '../_base_/models/hrnet_w18_fcn.py',
    '../_base_/mixes/mix_uniseg_cib.py',
    '../_base_/schedules/schedule_uniseg_w18.py',
    '../_base_/default_runtime.py',
]
model = dict(
    datasets={{_base_.datasets}},
    label_space=dict(type='by_name', aliases='uniseg_cibm.json'),
    decode_head=dict(loss_decode=dict(space='unified')))
