# The teacher of selftrain_realbench.py: a sixth of CamVid's labelled images, small enough for a CPU
# and from scratch. They are chosen, once, by
#
#     python tools/few_shot.py configs/realbench/single_camvid11_r18_realbench.py \
#         --dataset camvid11 --fraction 1/6 --out splits/camvid11_sixth.txt
_base_ = [
    '../_base_/models/r18half_s32_segformer.py',
    '../_base_/mixes/loaders_realbench.py',
    '../_base_/mixes/loaders_selftrain_small.py',
    '../_base_/datasets/camvid11.py',
    '../_base_/schedules/schedule_adamw.py',
    '../_base_/default_runtime.py',
]
camvid11_sixth = dict(
    extends={{_base_.camvid11}}, subset=dict(train='splits/camvid11_sixth.txt'))
datasets = [camvid11_sixth]
model = dict(datasets=datasets)
train_dataloader = dict(
    sampler=dict(plan=dict(_delete_=True, type='concat')),
    dataset=dict(datasets=datasets, pipeline={{_base_.real_train_pipeline}}))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
# From scratch, on few images, in few iterations: five times the usual.
optim_wrapper = dict(optimizer=dict(lr=0.01))
train_cfg = dict(max_iters=300, val_interval=300)
default_hooks = dict(checkpoint=dict(interval=150))
randomness = dict(seed=0)
