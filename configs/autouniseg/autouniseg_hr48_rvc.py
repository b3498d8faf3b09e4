# The model for WildDash 2 that is trained on the datasets of the Robust Vision Challenge 2022
# (section 4.2; Table 4: meta average 50.0 on the benchmark's server). Not run here.
_base_ = [
    './autouniseg_hr48_7ds.py',
    '../_base_/datasets/viper.py',
]
datasets = [
    {{_base_.cityscapes}},
    {{_base_.ade20k}},
    {{_base_.mapillary}},
    {{_base_.viper}},
    {{_base_.scannet20}},
    {{_base_.wilddash2}},
]
unseen = []
model = dict(datasets=datasets)
train_dataloader = dict(batch_size=18, dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(
    dataset=dict(datasets=[
        {{_base_.cityscapes}},
        {{_base_.ade20k}},
        {{_base_.mapillary}},
        {{_base_.viper}},
        {{_base_.scannet20}},
        {{_base_.wilddash2}},
    ]))
