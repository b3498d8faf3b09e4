# Self-training, Table 12: from Cityscapes to 10 images for each of BDD100K's classes. The paper's
# mIoU from the student: 58.9, from the teacher (see finetune_x50_bdd100k.py) 51.4. Not run here.
# Choose the images first:
#   python tools/few_shot.py THIS --dataset bdd100k --shots 10 --out splits/bdd100k_10shot.txt
_base_ = './finetune_x50_bdd100k.py'
datasets = [dict(extends={{_base_.bdd100k}}, subset=dict(train='splits/bdd100k_10shot.txt'))]
model = dict(datasets=datasets)
train_cfg = dict(val_interval=400)
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(dataset=dict(datasets=datasets))
