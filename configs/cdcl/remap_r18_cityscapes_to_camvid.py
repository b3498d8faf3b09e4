# CDCL, Table 1: the other dataset's labels are remapped to the target's classes and both train
# one classifier. The paper's mIoU: 78.03. Not run here.
_base_ = './cdcl_r18_cityscapes_camvid.py'
targets = [{{_base_.camvid}}]
datasets = [
    {{_base_.camvid}},
    dict(extends={{_base_.cityscapes}}, remap='cityscapes_to_camvid.json'),
]
model = dict(datasets=datasets, dataset_norm=None, label_space=dict(type='by_name'))
train_dataloader = dict(
    sampler=dict(plan=dict(_delete_=True, type='concat')), dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=targets))
test_dataloader = dict(dataset=dict(datasets=targets))
train_cfg = dict(step_after='batch')
