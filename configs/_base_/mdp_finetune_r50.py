# What the fine-tuning of MDP shares on all datasets (section 4.1): MMSegmentation's DeepLabV3+
# with "a standard ResNet-50 backbone and removing the auxiliary head".
# The weights to start from are one key: docs/mdp.md, "From pretraining to use".
_base_ = [
    './models/deeplabv3plus_r50.py',
    './mixes/loaders_mdp_finetune.py',
    './schedules/schedule_mdp_finetune.py',
    './default_runtime.py',
]
model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained', checkpoint='work_dirs/mdp_r50_voc_ade20k/backbone.pth')),
    # MMSegmentation's loss: the mean over all pixels of a crop, those without a label included.
    decode_head=dict(loss_decode=dict(_delete_=True, type='CrossEntropyLoss')))
