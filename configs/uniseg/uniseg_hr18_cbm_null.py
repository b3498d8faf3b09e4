# UniSeg, Tables 1 and 3: Null BCE, HRNet-W18, Cityscapes, BDD100K and Mapillary. The paper's mIoU
# on KITTI, WildDash and CamVid: 59.0, 47.5 and 73.8; on IDD: 46.2. Not run here.
_base_ = './uniseg_hr18_cbm_ce.py'
model = dict(decode_head=dict(loss_decode=dict(_delete_=True, type='NullBCELoss')))
