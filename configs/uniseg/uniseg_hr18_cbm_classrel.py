# UniSeg, Tables 1 and 3: class-relational BCE in one run, HRNet-W18, Cityscapes, BDD100K and
# Mapillary. The paper's mIoU on KITTI, WildDash and CamVid: 59.2, 48.7 and 74.0; on IDD: 47.6. Not
# run here. See uniseg_hr18_cibm_classrel.py.
_base_ = './uniseg_hr18_cbm_cosine_null.py'
model = dict(decode_head=dict(loss_decode=dict(type='ClassRelationalBCELoss')))
train_cfg = dict(max_iters=125000)
custom_hooks = [
    dict(type='ClassRelationsHook', begin=62500), dict(type='SegmentationReportHook')]
