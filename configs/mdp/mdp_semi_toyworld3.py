# mdp_toyworld3.py with the images of a fourth view, without its labels.
_base_ = ['./mdp_toyworld3.py', '../_base_/datasets/toyworld_metro.py']
datasets = [
    {{_base_.toyworld_city}},
    {{_base_.toyworld_asia}},
    {{_base_.toyworld_atlas}},
    dict(extends={{_base_.toyworld_metro}}, unlabelled=True),
]
model = dict(datasets=datasets)
train_dataloader = dict(batch_size=12, dataset=dict(datasets=datasets))
