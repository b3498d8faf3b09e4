# CDCL, Table 5(b): PSPNet on ResNet-101. The paper's mIoU on the validation sets: 75.00 and
# 81.15. Not run here.
_base_ = ['./cdcl_r18_cityscapes_camvid.py', '../_base_/models/widths_r101.py']
model = {{_base_.r101}}
