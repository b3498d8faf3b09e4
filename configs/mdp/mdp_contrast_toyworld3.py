# The quick start with pixel-to-prototype contrast and images that are mixed across datasets.
_base_ = [
    '../quickstart/quickstart_toyworld.py',
    '../_base_/contrast/prototype_contrast.py',
]
model = dict(
    mixing=dict(region=0.25, pixel=0.25),
    decode_head=dict(contrast={{_base_.prototype_contrast}}))
custom_hooks = [
    dict(type='SegmentationReportHook'),
    {{_base_.prototype_contrast_hook}},
]
