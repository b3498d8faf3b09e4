# The ToyWorld views city, metro, asia and atlas, which stand for the datasets of the UniSeg paper:
# Cityscapes, BDD100K, IDD and Mapillary. Tested also on two views that are not trained on.
_base_ = [
    './loaders_toyworld.py',
    '../datasets/toyworld_city.py',
    '../datasets/toyworld_metro.py',
    '../datasets/toyworld_asia.py',
    '../datasets/toyworld_atlas.py',
    '../datasets/toyworld_village.py',
    '../datasets/toyworld_wild.py',
]
datasets = [
    {{_base_.toyworld_city}},
    {{_base_.toyworld_metro}},
    {{_base_.toyworld_asia}},
    {{_base_.toyworld_atlas}},
]
unseen = [
    {{_base_.toyworld_village}},
    {{_base_.toyworld_wild}},
]
train_dataloader = dict(
    sampler=dict(plan=dict(_delete_=True, type='concat')), dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(
    dataset=dict(datasets=[
        {{_base_.toyworld_city}},
        {{_base_.toyworld_metro}},
        {{_base_.toyworld_asia}},
        {{_base_.toyworld_atlas}},
        {{_base_.toyworld_village}},
        {{_base_.toyworld_wild}},
    ]))
