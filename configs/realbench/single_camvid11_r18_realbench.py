# The single-dataset baseline: a quarter of the multi-head run's iterations, hence as many images of
# this dataset.
#
# Measured with seed 0 on 2 CPU cores: mIoU 20.29 (multi-head: 26.10).
_base_ = './multihead_r18_realbench.py'
datasets = [{{_base_.camvid11}}]
model = dict(datasets=datasets)
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
train_cfg = dict(max_iters=250, val_interval=250)
default_hooks = dict(checkpoint=dict(interval=250))
