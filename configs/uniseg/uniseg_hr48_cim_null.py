# UniSeg, Tables 2 and 3: Null BCE, HRNet-W48, Cityscapes, IDD and Mapillary. The paper's mIoU on
# KITTI, WildDash and CamVid: 63.9, 53.5 and 78.4; on BDD100K: 58.1. Not run here.
_base_ = './uniseg_hr48_cim_ce.py'
model = dict(decode_head=dict(loss_decode=dict(_delete_=True, type='NullBCELoss')))
