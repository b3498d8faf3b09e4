# MDP, Table 1: fine-tuning on PASCAL VOC with 40,000 iterations, crops of 513x513. The paper's mIoU
# by what the backbone starts from: scratch 44.78, supervised ImageNet 75.63, MDP on PASCAL VOC and
# ADE20K 73.79 (100 epochs) and 74.65 (200), with COCO-Stuff 78.25. Not run here.
#   --cfg-options model.backbone.init_cfg.checkpoint=FILE                     # another pretraining
#   --cfg-options model.backbone.init_cfg.checkpoint=torchvision://resnet50   # supervised ImageNet
#   --cfg-options model.backbone.init_cfg=None                                # scratch
_base_ = ['../_base_/mdp_finetune_r50.py', '../_base_/datasets/pascal_voc_aug.py']
datasets = [{{_base_.pascal_voc_aug}}]
model = dict(datasets=datasets)
train_dataloader = dict(sampler=dict(crop_size=(513, 513)), dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
train_cfg = dict(max_iters=40000)
