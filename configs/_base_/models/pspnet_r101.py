# PSPNet on a dilated ResNet-101 (stride 8) with ImageNet weights.
# With several processes batch norms are synchronised; a single one has ordinary ones. On CPUs torch
# cannot synchronise them: --cfg-options sync_bn=None
_base_ = ['./pspnet_r18.py', './widths_r101.py']
sync_bn = 'torch'
model = {{_base_.r101}}
