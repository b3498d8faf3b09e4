# AutoUniSeg, Tables 2, 7 and 9: one of the seven datasets alone, tested on all (with
# tools/cross_eval.py). Not run here.
_base_ = './autouniseg_hr48_7ds_multihead.py'
datasets = [{{_base_.coco_panoptic}}]
unseen = [
    {{_base_.cityscapes}},
    {{_base_.mapillary}},
    {{_base_.sun_rgbd}},
    {{_base_.bdd100k}},
    {{_base_.idd}},
    {{_base_.ade20k}},
    {{_base_.kitti}},
    {{_base_.scannet20}},
    {{_base_.camvid_mseg}},
    {{_base_.pascal_voc}},
    {{_base_.pascal_context}},
    {{_base_.wilddash2}},
]
model = dict(datasets=datasets)
train_dataloader = dict(batch_size=3, dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
