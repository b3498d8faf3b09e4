# MDP, Table 1: fine-tuning on ADE20K with 80,000 iterations, crops of 512x512. The paper's mIoU by
# what the backbone starts from: scratch 28.67, supervised ImageNet 39.36, MDP on PASCAL VOC and
# ADE20K 40.17 (100 epochs) and 40.83 (200), with COCO-Stuff 42.69. Not run here.
#   --cfg-options model.backbone.init_cfg.checkpoint=FILE                     # another pretraining
#   --cfg-options model.backbone.init_cfg.checkpoint=torchvision://resnet50   # supervised ImageNet
#   --cfg-options model.backbone.init_cfg=None                                # scratch
_base_ = ['../_base_/mdp_finetune_r50.py', '../_base_/datasets/ade20k.py']
datasets = [{{_base_.ade20k}}]
model = dict(datasets=datasets)
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
