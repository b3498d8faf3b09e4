# AutoUniSeg on four ToyWorld views, from scratch and small: the whole method in one run.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/r18half_s32_segformer.py',
    '../_base_/mixes/mix_toyworld4.py',
    '../_base_/schedules/schedule_adamw.py',
]
model = dict(
    datasets={{_base_.datasets}},
    label_space=dict(type='disjoint'),
    decode_head=dict(classifier=dict(_delete_=True, type='GNNLabelMapper')),
    test_cfg=dict(unseen=dict(aliases='toyworld.json')))
train_dataloader = dict(sampler=dict(plan=dict(_delete_=True, type='mixed')))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={
    'classifier.graph': dict(decay_mult=0.0),
    'classifier.graph.edge_weights': dict(lr_mult=20.0, decay_mult=0.0)}))
custom_hooks = [dict(type='TrainingPhases', phases=[
    dict(kind='heads', iters=400),
    dict(kind='graph', iters=100),
    dict(kind='segmentation', iters=100),
    dict(kind='graph', iters=100),
    dict(kind='segmentation', iters=100),
    dict(kind='graph', iters=100),
    dict(kind='final', iters=300, prune_at=0.5),
])]
train_cfg = dict(max_iters=1200, val_interval=1200)
