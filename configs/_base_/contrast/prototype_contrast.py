# Pixel-to-prototype contrast (MDP, Eq. 3) beside the losses of any supervised config:
#
#     _base_ = ['CONFIG.py', '../_base_/contrast/prototype_contrast.py']
#     model = dict(decode_head=dict(contrast={{_base_.prototype_contrast}}))
#     custom_hooks = [{{_base_.prototype_contrast_hook}}]
#
# `batch_size` is that of all processes together. The window is small, for small data: the paper has
# about half of the datasets' images.
prototype_contrast = dict(images=480, batch_size=6, channels=64, weight=0.1)
prototype_contrast_hook = dict(type='PrototypeContrastHook')
