# UniSeg, Tables 1 and 3: Null BCE, HRNet-W18, Cityscapes, IDD and BDD100K. The paper's mIoU on
# KITTI, WildDash and CamVid: 54.9, 44.6 and 71.8; on Mapillary: 48.1. Not run here. Without
# Mapillary no second labels are found ("N/A" in the table), so that this is the class-relational
# row as well: there is no config of it.
_base_ = './uniseg_hr18_cib_ce.py'
model = dict(decode_head=dict(loss_decode=dict(_delete_=True, type='NullBCELoss')))
