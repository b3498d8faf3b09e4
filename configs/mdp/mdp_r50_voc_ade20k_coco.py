# MDP on PASCAL VOC, ADE20K and COCO-Stuff (149,079 images), 200 epochs. The paper's mIoU (Table 1):
# PASCAL VOC 78.25, ADE20K 42.69, COCO-Stuff 38.47, Cityscapes 80.64. Not run here. The paper has a
# window of about half of the datasets' images.
_base_ = ['./mdp_r50_voc_ade20k.py', '../_base_/datasets/coco_stuff164k.py']
datasets = [{{_base_.pascal_voc_aug}}, {{_base_.ade20k}}, {{_base_.coco_stuff164k}}]
model = dict(datasets=datasets, images=74496)
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
train_cfg = dict(max_iters=232936)
