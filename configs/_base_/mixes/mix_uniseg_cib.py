# UniSeg, Tables 1 to 3: Mapillary left out; tested on three datasets that are not trained on.
_base_ = [
    './loaders_uniseg.py',
    '../datasets/cityscapes.py',
    '../datasets/idd.py',
    '../datasets/bdd100k.py',
]
datasets = [
    {{_base_.cityscapes}},
    {{_base_.idd}},
    {{_base_.bdd100k}},
]
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
