# UniSeg, Tables 1 and 3: class-relational BCE in one run, HRNet-W18, IDD, BDD100K and Mapillary.
# The paper's mIoU on KITTI, WildDash and CamVid: 54.6, 48.3 and 72.7; on Cityscapes: 56.8. Not run
# here. See uniseg_hr18_cibm_classrel.py.
_base_ = ['./uniseg_hr18_ibm_null.py', '../_base_/schedules/schedule_uniseg_w18_stages.py']
model = dict(
    decode_head=dict(
        classifier=dict(_delete_=True, type='StagedNodeClassifier', stages={{_base_.stages}}),
        loss_decode=dict(type='ClassRelationalBCELoss')))
train_cfg = dict(max_iters={{_base_.stages_iters}})
param_scheduler = {{_base_.stages_schedule}}
custom_hooks = {{_base_.stages_hooks}}
