# UniSeg's Null BCE (Eq. 4) on four ToyWorld views, small and from scratch. Results:
# docs/results/uniseg.md.
#
# The cosine classifier learns faster than the linear one here (docs/uniseg.md), and class relations
# can be measured with the same model.
#
#     mim train mmseg_multids configs/uniseg/uniseg_toyworld4_null.py
_base_ = [
    '../_base_/models/r18half_s32_segformer.py',
    '../_base_/mixes/mix_toyworld4.py',
    '../_base_/schedules/schedule_adamw.py',
    '../_base_/default_runtime.py',
]
model = dict(
    datasets={{_base_.datasets}},
    label_space=dict(type='by_name', aliases='toyworld.json'),
    decode_head=dict(
        classifier=dict(_delete_=True, type='CosineNodeClassifier'),
        loss_decode=dict(_delete_=True, type='NullBCELoss')))
train_cfg = dict(max_iters=600, val_interval=600)
default_hooks = dict(checkpoint=dict(interval=300))
randomness = dict(seed=0)
