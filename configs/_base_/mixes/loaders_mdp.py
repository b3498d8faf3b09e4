# Loaders of MDP pretraining: views of 224x224 of images drawn from all datasets alike, 8 processes
# of 16 images. Whole images as in fine-tuning: of a pretrainer the nearest prototypes are tested.
_base_ = './loaders_mdp_finetune.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabelMap'),
    dict(type='PretrainViews', size=(224, 224)),
    dict(type='PackSegInputs', meta_keys=('img_path', 'num_views')),
]
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))
