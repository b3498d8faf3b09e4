# UniSeg, Tables 1 and 3: Null BCE, HRNet-W18, IDD, BDD100K and Mapillary. The paper's mIoU on
# KITTI, WildDash and CamVid: 52.7, 47.7 and 73.2; on Cityscapes: 56.1. Not run here.
_base_ = './uniseg_hr18_ibm_ce.py'
model = dict(decode_head=dict(loss_decode=dict(_delete_=True, type='NullBCELoss')))
