# UniSeg, Tables 1 and A-2: class-relational BCE in one run, HRNet-W18, Cityscapes, IDD, BDD100K and
# Mapillary. The paper's mIoU on KITTI, WildDash and CamVid: 58.9, 48.2 and 73.9; on the validation
# sets of the mix: 71.5, 63.0, 60.0 and 35.4. Not run here.
#
# The first half is Null BCE; then the relations are gathered, and training goes on with the second
# labels. Each half has a baseline's iterations; the learning rate decays over both. The paper does
# not say from which weights its second stage starts: here from those of the first.
# uniseg_hr18_cibm_classrel_from_file.py starts afresh.
_base_ = './uniseg_hr18_cibm_cosine_null.py'
model = dict(decode_head=dict(loss_decode=dict(type='ClassRelationalBCELoss')))
train_cfg = dict(max_iters=125000)
custom_hooks = [
    dict(type='ClassRelationsHook', begin=62500), dict(type='SegmentationReportHook')]
