# The single-dataset baseline of CDCL's Tables 1(a), 2 and 3. The paper's mIoU: 53.88. Not run here.
_base_ = './cdcl_r18_cityscapes_bdd100k.py'
datasets = [{{_base_.bdd100k}}]
model = dict(datasets=datasets, dataset_norm=None)
train_dataloader = dict(
    sampler=dict(plan=dict(_delete_=True, type='concat')), dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
train_cfg = dict(step_after='batch')
