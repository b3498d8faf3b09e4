# CDCL, Table 1 (b): similar scenes, 19 and 11 classes.
_base_ = [
    './loaders_street.py',
    '../datasets/cityscapes.py',
    '../datasets/camvid.py',
]
datasets = [
    {{_base_.cityscapes}},
    {{_base_.camvid}},
]
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
