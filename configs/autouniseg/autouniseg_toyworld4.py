# AutoUniSeg on four ToyWorld views, from scratch and small: the whole method in one run. Heads must
# work on other views' images, so scales and colours vary more than elsewhere.
_base_ = [
    '../_base_/runtime_autouniseg_small.py',
    '../_base_/models/r18half_s32_segformer.py',
    '../_base_/mixes/mix_toyworld4.py',
    '../_base_/schedules/schedule_autouniseg_small.py',
]
train_pipeline = [
    dict(type='RenderToyWorld'),
    dict(type='RandomScale', ratio_range=(0.75, 1.5)),
    dict(type='PlannedCrop', crop_size=(128, 128)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
model = dict(
    datasets={{_base_.datasets}},
    label_space=dict(type='disjoint'),
    decode_head=dict(classifier=dict(_delete_=True, type='GNNLabelMapper')),
    test_cfg=dict(unseen=dict(aliases='toyworld.json')))
train_dataloader = dict(
    sampler=dict(plan=dict(_delete_=True, type='mixed')), dataset=dict(pipeline=train_pipeline))
