# The single-dataset baseline of cdcl_realbench3.py.
_base_ = './cdcl_realbench3_bn_dat.py'
datasets = [{{_base_.ycor8}}]
model = dict(datasets=datasets)
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
