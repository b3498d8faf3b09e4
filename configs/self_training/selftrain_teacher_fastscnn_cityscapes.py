# Self-training, Table 3: the baseline on Fast-SCNN. The paper's mIoU: 68.6.
# Not run here.
_base_ = [
    '../_base_/models/fastscnn.py',
    '../_base_/mixes/loaders_self_training.py',
    '../_base_/datasets/cityscapes.py',
    '../_base_/schedules/schedule_self_training.py',
    '../_base_/default_runtime.py',
]
datasets = [{{_base_.cityscapes}}]
model = dict(datasets=datasets, decode_head=dict(sampler={{_base_.ohem}}))
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
