# UniSeg, Tables 2 and 3: Null BCE, HRNet-W48, Cityscapes, IDD and BDD100K. The paper's mIoU on
# KITTI, WildDash and CamVid: 62.9, 54.2 and 76.8; on Mapillary: 53.4. Not run here. Without
# Mapillary no second labels are found ("N/A" in the table), so that this is the class-relational
# row as well: there is no config of it.
_base_ = './uniseg_hr48_cib_ce.py'
model = dict(decode_head=dict(loss_decode=dict(_delete_=True, type='NullBCELoss')))
