# CDCL, Table 1: trained on one dataset, then finetuned on another. The paper's mIoU: 74.83. Not
# run here. Train single_r18_cityscapes.py first, or name another checkpoint.
_base_ = './single_r18_camvid.py'
model = dict(finetune_from='work_dirs/single_r18_cityscapes/iter_40000.pth')
