# The training sets of the Robust Vision Challenge 2022, which AutoUniSeg's other WildDash 2 model
# has (section 4.2).
_base_ = [
    './loaders_autouniseg.py',
    '../datasets/cityscapes.py',
    '../datasets/ade20k.py',
    '../datasets/mapillary.py',
    '../datasets/viper.py',
    '../datasets/scannet20.py',
    '../datasets/wilddash2.py',
]
datasets = [
    {{_base_.cityscapes}},
    {{_base_.ade20k}},
    {{_base_.mapillary}},
    {{_base_.viper}},
    {{_base_.scannet20}},
    {{_base_.wilddash2}},
]
train_dataloader = dict(batch_size=18, dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
