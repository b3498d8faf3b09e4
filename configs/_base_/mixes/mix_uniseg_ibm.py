# UniSeg, Tables 1 to 3: Cityscapes left out; tested on three datasets that are not trained on.
_base_ = [
    './loaders_uniseg.py',
    '../datasets/idd.py',
    '../datasets/bdd100k.py',
    '../datasets/mapillary.py',
]
datasets = [
    {{_base_.idd}},
    {{_base_.bdd100k}},
    {{_base_.mapillary}},
]
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
