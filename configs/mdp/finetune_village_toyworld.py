# Fine-tuning on a ToyWorld view that mdp_toyworld3.py does not see, with few images.
#   --cfg-options model.backbone.init_cfg.checkpoint=FILE     # another pretraining
#   --cfg-options model.backbone.init_cfg=None                # scratch
#   --cfg-options model.backbone.frozen_stages=4              # the head alone (Table 6)
_base_ = [
    '../_base_/models/r18half_s32_segformer.py',
    '../_base_/mixes/loaders_toyworld.py',
    '../_base_/datasets/toyworld_village.py',
    '../_base_/schedules/schedule_adamw.py',
    '../_base_/default_runtime.py',
]
datasets = [{{_base_.toyworld_village}}]
model = dict(
    datasets=datasets,
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='work_dirs/mdp_toyworld3/backbone.pth')))
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
train_cfg = dict(max_iters=400, val_interval=50)
randomness = dict(seed=0)
