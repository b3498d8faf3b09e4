# All of UniSeg in one run: Null BCE, class relations, then the final model from new weights with
# class-relational BCE. Each stage is as long as a run of the other methods.
_base_ = './uniseg_realbench4_null.py'
model = dict(decode_head=dict(loss_decode=dict(type='ClassRelationalBCELoss')))
train_cfg = dict(max_iters=1200, val_interval=600)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=False, begin=50, end=600),
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=600, end=650),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=False, begin=650),
]
custom_hooks = [
    dict(type='ClassRelationsHook', begin=600, restart=True),
    dict(type='SegmentationReportHook'),
]
