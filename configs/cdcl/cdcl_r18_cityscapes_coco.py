# CDCL, Table 1(c): PSPNet on ResNet-18, Cityscapes and COCO-Stuff (182 classes). The paper's mIoU
# on the validation sets, in this order: 72.63 and 32.87 (single datasets: 67.52 and 32.86). Not
# run here. Hyperparameters: see cdcl_r18_cityscapes_bdd100k.py.
_base_ = [
    '../_base_/models/pspnet_r18.py',
    '../_base_/mixes/mix_cityscapes_coco.py',
    '../_base_/schedules/schedule_sgd_poly.py',
    '../_base_/default_runtime.py',
]
model = dict(datasets={{_base_.datasets}}, dataset_norm=dict())
train_cfg = dict(step_after='cycle')
