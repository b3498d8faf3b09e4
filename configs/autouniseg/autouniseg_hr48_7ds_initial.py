# Table 5, without GNN training (54.9): the merged classes of appendix B, and no graph. Not run
# here.
_base_ = './autouniseg_hr48_7ds.py'
custom_hooks = [
    dict(type='SegmentationReportHook'),
    dict(
        type='TrainingPhases',
        cost='absolute',
        penalty=0.5,
        phases=[
            dict(kind='heads', iters=100000),
            dict(kind='final', iters=200000),
        ]),
]
