# CDCL, Table 2: three datasets of street scenes.
_base_ = [
    './loaders_street.py',
    '../datasets/cityscapes.py',
    '../datasets/bdd100k.py',
    '../datasets/camvid.py',
]
datasets = [
    {{_base_.cityscapes}},
    {{_base_.bdd100k}},
    {{_base_.camvid}},
]
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
