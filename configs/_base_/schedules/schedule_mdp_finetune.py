# MMSegmentation's schedule_80k.py, with validation twice as often; section 4.1 of MDP has 80,000
# iterations for ADE20K and COCO-Stuff, 40,000 for PASCAL VOC and Cityscapes.
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0005))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0001, by_epoch=False, begin=0)]
train_cfg = dict(type='MultiDatasetTrainLoop', max_iters=80000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
