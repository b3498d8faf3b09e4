# SGD with polynomial decay to the end of training, as most segmentation papers have it (here: CDCL,
# section 4.1.2; the paper gives no number of iterations).
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0001))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0)]
train_cfg = dict(type='MultiDatasetTrainLoop', max_iters=40000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
