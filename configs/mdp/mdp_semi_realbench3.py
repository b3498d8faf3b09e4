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
# The paper's 0.8 is never reached in a short run: prototypes are means, and not yet that long.
model = dict(datasets=datasets, threshold=0.5)
train_dataloader = dict(batch_size=12, dataset=dict(datasets=datasets))
