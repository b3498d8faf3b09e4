# The domain-specific model of appendix E: driving datasets alone, WildDash 2 among them (Table 12);
# tested also on seven that are not trained on (Tables 13 and 14). Not run here.
_base_ = './autouniseg_hr48_7ds.py'
datasets = [
    {{_base_.cityscapes}},
    {{_base_.mapillary}},
    {{_base_.bdd100k}},
    {{_base_.idd}},
    {{_base_.wilddash2}},
]
unseen = [
    {{_base_.camvid_mseg}},
    {{_base_.kitti}},
    {{_base_.pascal_voc}},
    {{_base_.scannet20}},
    {{_base_.sun_rgbd}},
    {{_base_.ade20k}},
    {{_base_.coco_panoptic}},
]
model = dict(datasets=datasets)
train_dataloader = dict(batch_size=15, dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(
    dataset=dict(datasets=[
        {{_base_.cityscapes}},
        {{_base_.mapillary}},
        {{_base_.bdd100k}},
        {{_base_.idd}},
        {{_base_.wilddash2}},
        {{_base_.camvid_mseg}},
        {{_base_.kitti}},
        {{_base_.pascal_voc}},
        {{_base_.scannet20}},
        {{_base_.sun_rgbd}},
        {{_base_.ade20k}},
        {{_base_.coco_panoptic}},
    ]))
