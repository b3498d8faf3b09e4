_base_ = [
    '../_base_/models/r18_s32_segformer.py',
    '../_base_/mixes/mix_realbench4.py',
    '../_base_/schedules/schedule_adamw.py',
    '../_base_/default_runtime.py',
]
model = dict(datasets={{_base_.datasets}})
default_hooks = dict(checkpoint=dict(interval=1000))
randomness = dict(seed=0)
