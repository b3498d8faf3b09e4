# AutoUniSeg, section 4: AdamW from 0.0001 with a warm-up and polynomial decay, 300,000 iterations
# on four GPUs. Not from the paper: the length of the warm-up, weight decay and power.
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.0001, weight_decay=0.01))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=1500),
    dict(type='PolyLR', power=0.9, by_epoch=False, begin=1500, end=300000),
]
train_cfg = dict(type='MultiDatasetTrainLoop', max_iters=300000, val_interval=20000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
