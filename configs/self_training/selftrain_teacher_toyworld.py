# The teacher of selftrain_toyworld.py: 100 labelled images of one ToyWorld view, small enough for a
# CPU and from scratch.
_base_ = [
    '../_base_/models/r18half_s32_segformer.py',
    '../_base_/mixes/loaders_toyworld.py',
    '../_base_/mixes/loaders_selftrain_small.py',
    '../_base_/datasets/toyworld_city.py',
    '../_base_/schedules/schedule_adamw.py',
    '../_base_/default_runtime.py',
]
city = dict(
    extends={{_base_.toyworld_city}},
    splits=dict(
        train=dict(split='train', size=100),
        val=dict(split='val', size=100),
        test=dict(split='test', size=100)))
datasets = [city]
model = dict(datasets=datasets)
train_dataloader = dict(
    sampler=dict(plan=dict(_delete_=True, type='concat')),
    dataset=dict(datasets=datasets, pipeline={{_base_.rendered_train_pipeline}}))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
# From scratch, on few images, in few iterations: five times the usual.
optim_wrapper = dict(optimizer=dict(lr=0.01))
train_cfg = dict(max_iters=300, val_interval=300)
default_hooks = dict(checkpoint=dict(interval=150))
randomness = dict(seed=0)
