# UniSeg, Table 1: one of the four models of which "single-best" is the best on the unseen datasets.
# The paper's mIoU of the best on KITTI, WildDash and CamVid: 41.9, 41.2 and 60.8. Not run here.
_base_ = './uniseg_hr18_cibm_ce.py'
datasets = [{{_base_.mapillary}}]
model = dict(
    datasets=datasets,
    test_cfg=dict(unseen=dict(aliases=[['traffic sign', 'Traffic Sign (Front)']])))
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
