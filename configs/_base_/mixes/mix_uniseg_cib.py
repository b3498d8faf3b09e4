# UniSeg, Tables 1 to 3: Mapillary left out; tested on it and on the three datasets that no mix
# trains on.
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
]
unseen = [
    {{_base_.mapillary}},
    {{_base_.kitti}},
    {{_base_.wilddash}},
    {{_base_.camvid_mseg}},
]
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=unseen))
