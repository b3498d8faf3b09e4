# MDP on PASCAL VOC and ADE20K with the images of COCO-Stuff, without its labels (Table 5: 76.57 on
# PASCAL VOC; 74.74 with model.consistency.weight=0). Not run here. 100 epochs of all images, drawn
# alike; how the paper counts epochs and draws unlabelled images it does not say.
_base_ = ['./mdp_r50_voc_ade20k.py', '../_base_/datasets/coco_stuff164k.py']
datasets = [
    {{_base_.pascal_voc_aug}},
    {{_base_.ade20k}},
    dict(extends={{_base_.coco_stuff164k}}, unlabelled=True),
]
model = dict(datasets=datasets)
train_dataloader = dict(dataset=dict(datasets=datasets))
train_cfg = dict(max_iters=116468)
