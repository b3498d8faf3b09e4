# UniSeg, Tables 2 and 3: class-relational BCE in one run, HRNet-W48, Cityscapes, IDD and Mapillary.
# The paper's mIoU on KITTI, WildDash and CamVid: 65.8, 53.6 and 78.7; on BDD100K: 57.9. Not run
# here. See uniseg_hr48_cibm_classrel.py.
_base_ = './uniseg_hr48_cim_cosine_null.py'
model = dict(decode_head=dict(loss_decode=dict(type='ClassRelationalBCELoss')))
train_cfg = dict(max_iters=62500)
custom_hooks = [
    dict(type='ClassRelationsHook', begin=31250), dict(type='SegmentationReportHook')]
