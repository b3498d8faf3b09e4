# MDP on three of the four small real datasets, small and from scratch.
_base_ = [
    '../_base_/models/mdp_r18half.py',
    '../_base_/mixes/mix_realbench3.py',
    '../_base_/schedules/schedule_adamw.py',
    '../_base_/default_runtime.py',
]
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabelMap'),
    # Views of as many pixels as the part of the image has that they show.
    dict(type='PretrainViews', size=(96, 96), area_range=(0.05, 0.5)),
    dict(type='PackSegInputs', meta_keys=('img_path', 'num_views')),
]
model = dict(datasets={{_base_.datasets}})
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(constructor='PretrainingOptimWrapperConstructor')
custom_hooks = [dict(type='PrototypeContrastHook')]
randomness = dict(seed=0)
