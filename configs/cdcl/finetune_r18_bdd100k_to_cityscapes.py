# CDCL, Table 1: trained on one dataset, then finetuned on another. The paper's mIoU: 67.79. Not
# run here. Train single_r18_bdd100k.py first, or name another checkpoint.
_base_ = './single_r18_cityscapes.py'
model = dict(finetune_from='work_dirs/single_r18_bdd100k/iter_40000.pth')
