# UniSeg, Tables 2 and 3: Null BCE, HRNet-W48, IDD, BDD100K and Mapillary. The paper's mIoU on
# KITTI, WildDash and CamVid: 58.4, 55.9 and 77.8; on Cityscapes: 64.6. Not run here.
_base_ = './uniseg_hr48_ibm_ce.py'
model = dict(decode_head=dict(loss_decode=dict(_delete_=True, type='NullBCELoss')))
