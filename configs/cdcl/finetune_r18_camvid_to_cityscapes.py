# CDCL, Table 1: trained on one dataset, then finetuned on another. The paper's mIoU: 67.35. Not
# run here. Train single_r18_camvid.py first, or name another checkpoint.
_base_ = './single_r18_cityscapes.py'
model = dict(finetune_from='work_dirs/single_r18_camvid/iter_40000.pth')
