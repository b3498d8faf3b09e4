# UniSeg, Tables 2 and 3: class-relational BCE in one run, HRNet-W48, Cityscapes, IDD and Mapillary.
# The paper's mIoU on KITTI, WildDash and CamVid: 65.8, 53.6 and 78.7; on BDD100K: 57.9. Not run
# here. See uniseg_hr48_cibm_classrel.py.
_base_ = ['./uniseg_hr48_cim_null.py', '../_base_/schedules/schedule_uniseg_w48_stages.py']
model = dict(
    decode_head=dict(
        classifier=dict(_delete_=True, type='StagedNodeClassifier', stages={{_base_.stages}}),
        loss_decode=dict(type='ClassRelationalBCELoss')))
train_cfg = dict(max_iters={{_base_.stages_iters}})
param_scheduler = {{_base_.stages_schedule}}
custom_hooks = {{_base_.stages_hooks}}
