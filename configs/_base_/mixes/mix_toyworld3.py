# The ToyWorld views city, asia and atlas. Adding a dataset: its file in `_base_`, its name in
# `datasets`.
_base_ = [
    './loaders_toyworld.py',
    '../datasets/toyworld_city.py',
    '../datasets/toyworld_asia.py',
    '../datasets/toyworld_atlas.py',
]
datasets = [
    {{_base_.toyworld_city}},
    {{_base_.toyworld_asia}},
    {{_base_.toyworld_atlas}},
]
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
