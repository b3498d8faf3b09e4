# Self-training, Figure 3: from Cityscapes to 10 images for each of Mapillary's classes. The paper's
# mIoU from the student: 33.3, from the teacher (see finetune_x50_mapillary.py) 26.0. Not run here.
# Choose the images first:
#   python tools/few_shot.py THIS --dataset mapillary --shots 10 --out splits/mapillary_10shot.txt
_base_ = './finetune_x50_mapillary.py'
datasets = [dict(extends={{_base_.mapillary}}, subset=dict(train='splits/mapillary_10shot.txt'))]
model = dict(datasets=datasets)
train_cfg = dict(val_interval=400)
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
