# CDCL, Table 1 (a): two datasets with the same classes and similar scenes.
_base_ = [
    './loaders_street.py',
    '../datasets/cityscapes.py',
    '../datasets/bdd100k.py',
]
datasets = [
    {{_base_.cityscapes}},
    {{_base_.bdd100k}},
]
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
