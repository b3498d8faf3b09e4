# UniSeg, Tables 1 and A-2: Null BCE, HRNet-W18, Cityscapes, IDD, BDD100K and Mapillary. The paper's
# mIoU on KITTI, WildDash and CamVid: 57.6, 47.5 and 73.3; on the validation sets of the mix: 71.7,
# 63.2, 60.2 and 36.1. Not run here.
_base_ = './uniseg_hr18_cibm_ce.py'
model = dict(decode_head=dict(loss_decode=dict(_delete_=True, type='NullBCELoss')))
