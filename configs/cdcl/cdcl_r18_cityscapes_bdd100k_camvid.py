# CDCL, Table 2: PSPNet on ResNet-18, Cityscapes, BDD100K and CamVid. The paper's mIoU on the
# validation sets, in this order: 73.17, 60.45 and 78.84 (single datasets: 67.52, 53.88 and
# 73.05). Not run here. Hyperparameters: see cdcl_r18_cityscapes_bdd100k.py.
_base_ = [
    '../_base_/models/pspnet_r18.py',
    '../_base_/mixes/mix_cityscapes_bdd100k_camvid.py',
    '../_base_/schedules/schedule_sgd_poly.py',
    '../_base_/default_runtime.py',
]
model = dict(datasets={{_base_.datasets}}, dataset_norm=dict())
train_cfg = dict(step_after='cycle')
