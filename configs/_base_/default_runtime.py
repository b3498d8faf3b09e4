# What every config of this package shares. `custom_imports` is set here and nowhere else.
custom_imports = dict(imports=['mmseg_multids'], allow_failed_imports=False)
default_scope = 'mmseg'
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'))
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=4000, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    unseen=dict(type='UnseenDatasetsHook'),
    visualization=dict(type='MultiDatasetVisualizationHook'))
custom_hooks = [dict(type='SegmentationReportHook')]
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(
    type='MultiDatasetVisualizer', vis_backends=vis_backends, name='visualizer', alpha=0.6)
log_processor = dict(by_epoch=False)
log_level = 'INFO'
load_from = None
resume = False
tta_model = dict(type='MultiDatasetTTAModel')
