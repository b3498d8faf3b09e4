# UniSeg, Tables 1 and 2: all four datasets; tested on three that are not trained on.
_base_ = [
    './loaders_uniseg.py',
    '../datasets/cityscapes.py',
    '../datasets/idd.py',
    '../datasets/bdd100k.py',
    '../datasets/mapillary.py',
]
datasets = [
    {{_base_.cityscapes}},
    {{_base_.idd}},
    {{_base_.bdd100k}},
    {{_base_.mapillary}},
]
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
