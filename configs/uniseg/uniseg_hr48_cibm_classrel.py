# UniSeg, Tables 2 and A-2: class-relational BCE in one run, HRNet-W48, Cityscapes, IDD, BDD100K and
# Mapillary. The paper's mIoU on KITTI, WildDash and CamVid: 65.2, 58.4 and 78.6; on the validation
# sets of the mix: 81.0, 70.9, 67.4 and 43.0. Not run here.
#
# A cosine classifier with Null BCE, class relations, then a new model with them; each stage has a
# baseline's iterations.
_base_ = ['./uniseg_hr48_cibm_null.py', '../_base_/schedules/schedule_uniseg_w48_stages.py']
model = dict(
    decode_head=dict(
        classifier=dict(_delete_=True, type='StagedNodeClassifier', stages={{_base_.stages}}),
        loss_decode=dict(type='ClassRelationalBCELoss')))
train_cfg = dict(max_iters={{_base_.stages_iters}})
param_scheduler = {{_base_.stages_schedule}}
custom_hooks = {{_base_.stages_hooks}}
