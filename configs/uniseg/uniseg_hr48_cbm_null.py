# UniSeg, Tables 2 and 3: Null BCE, HRNet-W48, Cityscapes, BDD100K and Mapillary. The paper's mIoU
# on KITTI, WildDash and CamVid: 64.7, 55.3 and 78.1; on IDD: 53.3. Not run here.
_base_ = './uniseg_hr48_cbm_ce.py'
model = dict(decode_head=dict(loss_decode=dict(_delete_=True, type='NullBCELoss')))
