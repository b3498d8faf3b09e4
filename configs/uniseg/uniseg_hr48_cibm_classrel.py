# UniSeg, Tables 2 and A-2: class-relational BCE in one run, HRNet-W48, Cityscapes, IDD, BDD100K and
# Mapillary. The paper's mIoU on KITTI, WildDash and CamVid: 65.2, 58.4 and 78.6; on the validation
# sets of the mix: 81.0, 70.9, 67.4 and 43.0. Not run here.
#
# The first half is Null BCE; then the relations are gathered, and training goes on with the second
# labels. Each half has a baseline's iterations; the learning rate decays over both. The paper does
# not say from which weights its second stage starts: here from those of the first.
# uniseg_hr48_cibm_classrel_from_file.py starts afresh.
_base_ = './uniseg_hr48_cibm_cosine_null.py'
model = dict(decode_head=dict(loss_decode=dict(type='ClassRelationalBCELoss')))
train_cfg = dict(max_iters=62500)
custom_hooks = [
    dict(type='ClassRelationsHook', begin=31250), dict(type='SegmentationReportHook')]
