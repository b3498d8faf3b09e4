# Pipelines of self-training on small data: crops that a plan may put around objects.
crop = [
    dict(type='RandomScale', ratio_range=(0.75, 1.5)),
    dict(type='PlannedCrop', crop_size=(96, 96)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
]
load = [dict(type='LoadImageFromFile'), dict(type='LoadLabelMap')]
real_train_pipeline = [*load, *crop, dict(type='PackSegInputs')]
rendered_train_pipeline = [dict(type='RenderToyWorld'), *crop, dict(type='PackSegInputs')]
# Of pseudo labels; soft ones are loaded where the entry has `soft=True`.
pseudo_train_pipeline = [
    *load,
    dict(type='LoadSoftLabel'), *crop,
    dict(type='PackSoftSegInputs')
]
