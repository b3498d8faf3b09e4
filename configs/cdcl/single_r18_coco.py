# The single-dataset baseline of CDCL's Table 1(c). The paper's mIoU: 32.86. Not run here.
_base_ = './cdcl_r18_cityscapes_coco.py'
datasets = [{{_base_.coco_stuff182}}]
model = dict(datasets=datasets, dataset_norm=None)
train_dataloader = dict(
    sampler=dict(plan=dict(_delete_=True, type='concat')), dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
train_cfg = dict(step_after='batch')
