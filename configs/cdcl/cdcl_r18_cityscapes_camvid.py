# CDCL, Tables 1(b) and 7: PSPNet on ResNet-18, Cityscapes and CamVid. The paper's mIoU on the
# validation sets, in this order: 69.77 and 78.45 (test set of CamVid: 77.3; single datasets:
# 67.52 and 73.05). Not run here. Hyperparameters: see cdcl_r18_cityscapes_bdd100k.py.
_base_ = [
    '../_base_/models/pspnet_r18.py',
    '../_base_/mixes/mix_cityscapes_camvid.py',
    '../_base_/schedules/schedule_sgd_poly.py',
    '../_base_/default_runtime.py',
]
model = dict(datasets={{_base_.datasets}}, dataset_norm=dict())
train_cfg = dict(step_after='cycle')
