# UniSeg, Tables 1 and 3: Null BCE, HRNet-W18, Cityscapes, IDD and Mapillary. The paper's mIoU on
# KITTI, WildDash and CamVid: 55.9, 44.1 and 73.3; on BDD100K: 52.3. Not run here.
_base_ = './uniseg_hr18_cim_ce.py'
model = dict(decode_head=dict(loss_decode=dict(_delete_=True, type='NullBCELoss')))
