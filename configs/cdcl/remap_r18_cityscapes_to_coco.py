# CDCL, Table 1: the other dataset's labels are remapped to the target's classes and both train
# one classifier. The paper's mIoU: 32.67. Not run here.
_base_ = './single_r18_coco.py'
target = {{_base_.coco_stuff182}}
remapped = {{_base_.cityscapes}}
remapped.update(remap='cityscapes_to_coco_stuff182.json')
datasets = [target, remapped]
model = dict(datasets=datasets, label_space=dict(type='by_name'))
train_dataloader = dict(dataset=dict(datasets=datasets))
