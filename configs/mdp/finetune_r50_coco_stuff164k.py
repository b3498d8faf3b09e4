# MDP, Table 1: fine-tuning on COCO-Stuff with 80,000 iterations, crops of 512x512. The paper's mIoU
# by what the backbone starts from: scratch 25.02, supervised ImageNet 35.25, MDP on PASCAL VOC and
# ADE20K 34.26 (100 epochs) and 35.04 (200), with COCO-Stuff 38.47. Not run here.
#   --cfg-options model.backbone.init_cfg.checkpoint=FILE                     # another pretraining
#   --cfg-options model.backbone.init_cfg.checkpoint=torchvision://resnet50   # supervised ImageNet
#   --cfg-options model.backbone.init_cfg=None                                # scratch
_base_ = ['../_base_/mdp_finetune_r50.py', '../_base_/datasets/coco_stuff164k.py']
datasets = [{{_base_.coco_stuff164k}}]
model = dict(datasets=datasets)
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
