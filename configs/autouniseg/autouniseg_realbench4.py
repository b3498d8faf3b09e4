# AutoUniSeg on the four small real datasets, from scratch: the whole method in one run.
_base_ = [
    '../_base_/runtime_autouniseg_small.py',
    '../_base_/models/r18half_s32_segformer.py',
    '../_base_/mixes/mix_realbench4.py',
    '../_base_/schedules/schedule_autouniseg_small.py',
]
model = dict(
    datasets={{_base_.datasets}},
    label_space=dict(type='disjoint'),
    decode_head=dict(classifier=dict(_delete_=True, type='GNNLabelMapper')),
    test_cfg=dict(unseen=dict(aliases='realbench.json')))
train_dataloader = dict(sampler=dict(plan=dict(_delete_=True, type='mixed')))
