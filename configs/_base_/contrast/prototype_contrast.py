# Pixel-to-prototype contrast (MDP, Eq. 3) beside the losses of any supervised config:
#
#     _base_ = ['CONFIG.py', '../_base_/contrast/prototype_contrast.py']
#     model = dict(decode_head=dict(contrast={{_base_.prototype_contrast}}))
#     custom_hooks = [{{_base_.prototype_contrast_hook}}]
#
# `custom_hooks` takes the place of CONFIG's: repeat those that it has.
prototype_contrast = dict(channels=64, weight=0.1)
prototype_contrast_hook = dict(type='PrototypeContrastHook')
