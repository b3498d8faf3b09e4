# CDCL, Table 6: crops of 769x769, one dataset. The paper's mIoU on the test set of Cityscapes
# with several scales: 78.40. Not run here.
_base_ = './single_r101_cityscapes.py'
train_dataloader = dict(sampler=dict(crop_size=(769, 769)))
