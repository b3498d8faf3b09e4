# The single-dataset baseline of cdcl_toyworld3.py.
_base_ = './cdcl_toyworld3_bn_dat.py'
datasets = [{{_base_.toyworld_atlas}}]
model = dict(datasets=datasets)
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
