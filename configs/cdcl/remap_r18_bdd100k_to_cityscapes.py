# CDCL, Table 1: the other dataset's labels are remapped to the target's classes and both train
# one classifier. The paper's mIoU: 66.23. Not run here.
_base_ = './cdcl_r18_cityscapes_bdd100k.py'
targets = [{{_base_.cityscapes}}]
datasets = [
    {{_base_.cityscapes}},
    dict(extends={{_base_.bdd100k}}, remap='bdd100k_to_cityscapes.json'),
]
model = dict(datasets=datasets, dataset_norm=None, label_space=dict(type='by_name'))
train_dataloader = dict(
    sampler=dict(plan=dict(_delete_=True, type='concat')), dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=targets))
test_dataloader = dict(dataset=dict(datasets=targets))
train_cfg = dict(step_after='batch')
