# mdp_realbench3.py with further images of facades, without labels.
_base_ = './mdp_realbench3.py'
datasets = [
    {{_base_.camvid11}},
    {{_base_.ycor8}},
    {{_base_.labelmefacade8}},
    dict(
        name='photos',
        type='UnlabelledImages',
        data_root='labelmefacade8',
        data_prefix=dict(img_path='images/train_extra')),
]
model = dict(datasets=datasets)
train_dataloader = dict(batch_size=12, dataset=dict(datasets=datasets))
