# UniSeg, Tables 2 and 3: class-relational BCE in one run, HRNet-W48, IDD, BDD100K and Mapillary.
# The paper's mIoU on KITTI, WildDash and CamVid: 59.3, 55.7 and 78.3; on Cityscapes: 65.8. Not run
# here. See uniseg_hr48_cibm_classrel.py.
_base_ = './uniseg_hr48_ibm_cosine_null.py'
model = dict(decode_head=dict(loss_decode=dict(type='ClassRelationalBCELoss')))
train_cfg = dict(max_iters=62500)
custom_hooks = [
    dict(type='ClassRelationsHook', begin=31250), dict(type='SegmentationReportHook')]
