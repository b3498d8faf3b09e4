# Three of the four real datasets: streets, off-road trails and facades, seen from the ground.
_base_ = [
    './loaders_realbench.py',
    '../datasets/camvid11.py',
    '../datasets/ycor8.py',
    '../datasets/labelmefacade8.py',
]
datasets = [{{_base_.camvid11}}, {{_base_.ycor8}}, {{_base_.labelmefacade8}}]
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
