# Self-training, Tables 3 and 11: DeepLabV3+ on WideResNet-38, baseline and better
# teacher. The paper's mIoU: 80.5.
# Not run here.
_base_ = [
    '../_base_/models/deeplabv3plus_wrn38.py',
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
