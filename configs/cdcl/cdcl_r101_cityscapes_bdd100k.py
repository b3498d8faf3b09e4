# CDCL, Table 5(a): PSPNet on ResNet-101. The paper's mIoU on the validation sets: 75.83
# and 63.84. Not run here.
_base_ = ['./cdcl_r18_cityscapes_bdd100k.py', '../_base_/models/widths_r101.py']
model = {{_base_.r101}}
