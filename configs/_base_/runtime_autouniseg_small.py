# The phases of AutoUniSeg (Algorithm 1) for small networks and small data.
_base_ = './default_runtime.py'
default_hooks = dict(checkpoint=dict(interval=120))
randomness = dict(seed=0)
custom_hooks = [
    dict(type='SegmentationReportHook'),
    dict(
        type='TrainingPhases',
        merge_images=100,
        prune_images=100,
        phases=[
            dict(kind='heads', iters=300),
            dict(kind='graph', iters=40),
            dict(kind='segmentation', iters=80),
            dict(kind='graph', iters=40),
            dict(kind='segmentation', iters=80),
            dict(kind='graph', iters=40),
            dict(kind='final', iters=140, prune_at=0.5),
        ]),
]
