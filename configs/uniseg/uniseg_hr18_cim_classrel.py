# UniSeg, Tables 1 and 3: class-relational BCE in one run, HRNet-W18, Cityscapes, IDD and Mapillary.
# The paper's mIoU on KITTI, WildDash and CamVid: 56.5, 44.8 and 73.8; on BDD100K: 52.1. Not run
# here. See uniseg_hr18_cibm_classrel.py.
_base_ = './uniseg_hr18_cim_cosine_null.py'
model = dict(decode_head=dict(loss_decode=dict(type='ClassRelationalBCELoss')))
train_cfg = dict(max_iters=125000)
custom_hooks = [
    dict(type='ClassRelationsHook', begin=62500), dict(type='SegmentationReportHook')]
