# Four real datasets with conflicting label spaces. Adding a dataset: its file in `_base_`, its name
# in `datasets`.
_base_ = [
    './loaders_realbench.py',
    '../datasets/camvid11.py',
    '../datasets/ycor8.py',
    '../datasets/labelmefacade8.py',
    '../datasets/mumbai_aerial6.py',
]
datasets = [
    {{_base_.camvid11}},
    {{_base_.ycor8}},
    {{_base_.labelmefacade8}},
    {{_base_.mumbai_aerial6}},
]
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
