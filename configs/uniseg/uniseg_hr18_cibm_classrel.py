# UniSeg, Tables 1 and A-2: class-relational BCE in one run, HRNet-W18, Cityscapes, IDD, BDD100K and
# Mapillary. The paper's mIoU on KITTI, WildDash and CamVid: 58.9, 48.2 and 73.9; on the validation
# sets of the mix: 71.5, 63.0, 60.0 and 35.4. Not run here.
#
# A cosine classifier with Null BCE, class relations, then a new model with them; each stage has a
# baseline's iterations.
_base_ = ['./uniseg_hr18_cibm_null.py', '../_base_/schedules/schedule_uniseg_w18_stages.py']
model = dict(
    decode_head=dict(
        classifier=dict(_delete_=True, type='StagedNodeClassifier', stages={{_base_.stages}}),
        loss_decode=dict(type='ClassRelationalBCELoss')))
train_cfg = dict(max_iters={{_base_.stages_iters}})
param_scheduler = {{_base_.stages_schedule}}
custom_hooks = {{_base_.stages_hooks}}
