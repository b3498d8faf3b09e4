# Loader of MDP's pretraining: views of 224x224 of images drawn from all datasets alike; 8 processes
# of 16 images. There is no validation.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabelMap'),
    dict(type='PretrainViews', size=(224, 224)),
    dict(type='PackSegInputs', meta_keys=('img_path', 'num_views')),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='MultiDatasetSampler', plan=dict(type='concat')),
    dataset=dict(type='MultiDataset', split='train', pipeline=train_pipeline))
