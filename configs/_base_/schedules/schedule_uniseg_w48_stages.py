# Two runs of schedule_uniseg_w48.py one after the other: for the class relations, then with them.
# As in the paper the second one starts from ImageNet weights; that it has a linear classifier
# is our reading.
stages = [dict(type='CosineNodeClassifier'), dict(type='LinearNodeClassifier')]
stages_iters = 62500
stages_schedule = [
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=31250),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=31250),
]
stages_hooks = [
    dict(type='ClassRelationsHook', begin=31250, restart=True),
    dict(type='SegmentationReportHook'),
]
