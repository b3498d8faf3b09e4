# The phases of AutoUniSeg (Algorithm 1) for small networks and small data.
_base_ = './default_runtime.py'
custom_hooks = [
    dict(type='SegmentationReportHook'),
    dict(
        type='TrainingPhases',
        merge_images=100,
        prune_images=100,
        phases=[
            dict(kind='heads', iters=400),
            dict(kind='graph', iters=60),
            dict(kind='segmentation', iters=100),
            dict(kind='graph', iters=60),
            dict(kind='segmentation', iters=100),
            dict(kind='graph', iters=60),
            dict(kind='final', iters=220, prune_at=0.5),
        ]),
]
