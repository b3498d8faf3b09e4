# The baselines of MDP's Table 3 with cross-entropy, for as many augmented images as
# mdp_r50_voc_ade20k_prototype.py has: two heads, one for each dataset (the paper's mIoU on PASCAL
# VOC: 71.09). Not run here.
#   --cfg-options model.decode_head.loss_decode.space=unified     # one head, 70.75
_base_ = [
    '../_base_/models/deeplabv3plus_r50.py',
    '../_base_/mixes/loaders_mdp.py',
    '../_base_/datasets/pascal_voc_aug.py',
    '../_base_/datasets/ade20k.py',
    '../_base_/schedules/schedule_mdp.py',
    '../_base_/default_runtime.py',
]
datasets = [{{_base_.pascal_voc_aug}}, {{_base_.ade20k}}]
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabelMap'),
    dict(type='PretrainViews', size=(224, 224), views=1, twins=0),
    dict(type='PackSegInputs'),
]
model = dict(datasets=datasets)
train_dataloader = dict(batch_size=32, dataset=dict(datasets=datasets, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
custom_hooks = []
