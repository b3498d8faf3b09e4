# CDCL, Table 1: the other dataset's labels are remapped to the target's classes and both train
# one classifier. The paper's mIoU: 50.35. Not run here.
_base_ = './single_r18_cityscapes.py'
target = {{_base_.cityscapes}}
remapped = {{_base_.coco_stuff182}}
remapped.update(remap='coco_stuff182_to_cityscapes.json')
datasets = [target, remapped]
model = dict(datasets=datasets, label_space=dict(type='by_name'))
train_dataloader = dict(dataset=dict(datasets=datasets))
