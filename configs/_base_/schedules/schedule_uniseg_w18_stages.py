# Two runs of schedule_uniseg_w18.py one after the other: for the class relations, then with them.
# As in the paper the second one starts from ImageNet weights; that it has a linear classifier
# is our reading.
stages = [dict(type='CosineNodeClassifier'), dict(type='LinearNodeClassifier')]
stages_iters = 125000
stages_schedule = [
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=62500),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=62500),
]
stages_hooks = [
    dict(type='ClassRelationsHook', begin=62500, restart=True),
    dict(type='SegmentationReportHook'),
]
