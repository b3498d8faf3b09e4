# CDCL, Table 1: trained on one dataset, then finetuned on another. The paper's mIoU: 70.44. Not
# run here. Train single_r18_coco.py first, or name another checkpoint.
_base_ = './single_r18_cityscapes.py'
model = dict(finetune_from='work_dirs/single_r18_coco/iter_40000.pth')
