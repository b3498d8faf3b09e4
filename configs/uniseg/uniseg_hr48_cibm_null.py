# UniSeg, Tables 2 and A-2: Null BCE, HRNet-W48, Cityscapes, IDD, BDD100K and Mapillary. The paper's
# mIoU on KITTI, WildDash and CamVid: 64.4, 56.5 and 78.2; on the validation sets of the mix: 80.9,
# 71.1, 68.0 and 45.5. Not run here.
_base_ = './uniseg_hr48_cibm_ce.py'
model = dict(decode_head=dict(loss_decode=dict(_delete_=True, type='NullBCELoss')))
