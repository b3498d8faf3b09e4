# The multi-head baseline: a classifier for each dataset.
_base_ = './uniseg_toyworld4_null.py'
model = dict(
    label_space=dict(_delete_=True, type='disjoint'),
    decode_head=dict(loss_decode=dict(_delete_=True, type='PixelCrossEntropyLoss')),
    test_cfg=dict(unseen=dict(aliases='toyworld.json')))
