# MDP, Table 1: fine-tuning on Cityscapes with 40,000 iterations, crops of 512x1024. The paper's
# mIoU by what the backbone starts from: scratch 54.27, supervised ImageNet 77.60, MDP on PASCAL VOC
# and ADE20K 77.75 (100 epochs) and 78.59 (200), with COCO-Stuff 80.64. Not run here.
#   --cfg-options model.backbone.init_cfg.checkpoint=FILE                     # another pretraining
#   --cfg-options model.backbone.init_cfg.checkpoint=torchvision://resnet50   # supervised ImageNet
#   --cfg-options model.backbone.init_cfg=None                                # scratch
_base_ = ['../_base_/mdp_finetune_r50.py', '../_base_/datasets/cityscapes.py']
datasets = [{{_base_.cityscapes}}]
model = dict(datasets=datasets)
# MMSegmentation's pipelines of this dataset: images at their own 2048x1024 pixels, batches of 8.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabelMap'),
    dict(type='RandomResize', scale=(2048, 1024), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='PlannedCrop', crop_size=(512, 1024), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
val_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(2048, 1024), keep_ratio=True),
    dict(type='LoadLabelMap'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(2048, 1024), keep_ratio=True),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=8, dataset=dict(datasets=datasets, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(datasets=datasets, pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(datasets=datasets, pipeline=val_pipeline))
train_cfg = dict(max_iters=40000)
