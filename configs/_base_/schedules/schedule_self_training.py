# Zhu et al., section 4.2: SGD, learning rate 0.02 for training from scratch (fine-tuning: 0.002),
# polynomial decay with power 0.9, momentum 0.9, weight decay 0.0001. The paper's decay counts
# epochs, this one iterations: of a fast schedule, epochs of small crops have fewer. The length of a
# run, in epochs, is `epochs` of train_dataloader.batch_sampler.
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=0.0001))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0)]
train_cfg = dict(type='MultiDatasetTrainLoop', max_iters=None, val_interval=2000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
