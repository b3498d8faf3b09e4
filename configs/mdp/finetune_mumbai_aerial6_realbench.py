# Fine-tuning on a small real dataset that mdp_realbench3.py does not see. Keys as in
# finetune_village_toyworld.py.
_base_ = [
    '../_base_/models/r18half_s32_segformer.py',
    '../_base_/mixes/loaders_realbench.py',
    '../_base_/datasets/mumbai_aerial6.py',
    '../_base_/schedules/schedule_adamw.py',
    '../_base_/default_runtime.py',
]
datasets = [{{_base_.mumbai_aerial6}}]
model = dict(
    datasets=datasets,
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='work_dirs/mdp_realbench3/backbone.pth')))
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
train_cfg = dict(max_iters=400, val_interval=50)
randomness = dict(seed=0)
