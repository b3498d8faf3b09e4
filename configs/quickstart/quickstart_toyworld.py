# One small network on three ToyWorld views with conflicting taxonomies. No data, no downloads.
#
#     mim train mmseg_multids configs/quickstart/quickstart_toyworld.py
_base_ = [
    '../_base_/models/r18_s32_segformer.py',
    '../_base_/mixes/mix_toyworld3.py',
    '../_base_/schedules/schedule_adamw.py',
    '../_base_/default_runtime.py',
]
model = dict(datasets={{_base_.datasets}})
train_dataloader = dict(batch_size=6)
train_cfg = dict(max_iters=400, val_interval=400)
default_hooks = dict(checkpoint=dict(interval=400))
randomness = dict(seed=0)
