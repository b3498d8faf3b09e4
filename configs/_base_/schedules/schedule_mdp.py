# Pretraining of MDP, section 4.1: SGD from 0.8 to 0 along a half cosine, batches of 128. The number
# of iterations is that of the config.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.8, momentum=0.9, weight_decay=4e-5))
param_scheduler = [dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=0)]
train_cfg = dict(type='MultiDatasetTrainLoop', max_iters=24057, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
