# The single-dataset baseline of CDCL's Table 5. The paper's mIoU: 73.51. Not run here.
_base_ = ['./single_r18_cityscapes.py', '../_base_/models/widths_r101.py']
model = {{_base_.r101}}
