# CDCL, Table 1: the other dataset's labels are remapped to the target's classes and both train
# one classifier. The paper's mIoU: 78.03. Not run here.
_base_ = './single_r18_camvid.py'
target = {{_base_.camvid}}
remapped = {{_base_.cityscapes}}
remapped.update(remap='cityscapes_to_camvid.json')
datasets = [target, remapped]
model = dict(datasets=datasets, label_space=dict(type='by_name'))
train_dataloader = dict(dataset=dict(datasets=datasets))
