# CDCL, Table 6: crops of 769x769. The paper's mIoU on the test set of Cityscapes: 78.74, with
# several scales 79.73. Not run here.
_base_ = './cdcl_r101_cityscapes_bdd100k.py'
train_dataloader = dict(sampler=dict(crop_size=(769, 769)))
