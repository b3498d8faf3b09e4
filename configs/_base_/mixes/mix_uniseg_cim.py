# UniSeg, Tables 1 to 3: BDD100K left out; tested on three datasets that are not trained on.
_base_ = [
    './loaders_uniseg.py',
    '../datasets/cityscapes.py',
    '../datasets/idd.py',
    '../datasets/mapillary.py',
]
datasets = [
    {{_base_.cityscapes}},
    {{_base_.idd}},
    {{_base_.mapillary}},
]
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
