# CDCL, Table 1 (c): other scenes and other classes; COCO-Stuff has 39 times as many images.
_base_ = [
    './loaders_street.py',
    '../datasets/cityscapes.py',
    '../datasets/coco_stuff182.py',
]
datasets = [
    {{_base_.cityscapes}},
    {{_base_.coco_stuff182}},
]
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
