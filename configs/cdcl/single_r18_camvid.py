# The single-dataset baseline of CDCL's Tables 1(b) and 2. The paper's mIoU: 73.05. Not run here.
_base_ = './cdcl_r18_cityscapes_camvid.py'
datasets = [{{_base_.camvid}}]
model = dict(datasets=datasets, dataset_norm=None)
train_dataloader = dict(
    sampler=dict(plan=dict(_delete_=True, type='concat')), dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
train_cfg = dict(step_after='batch')
