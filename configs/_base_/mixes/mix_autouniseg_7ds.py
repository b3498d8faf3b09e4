# AutoUniSeg, Table 1: seven datasets of driving, indoor scenes and everyday objects; tested also on
# the five that are not trained on, and on WildDash 2 (Tables 4 and 12).
_base_ = [
    './loaders_autouniseg.py',
    '../datasets/cityscapes.py',
    '../datasets/mapillary.py',
    '../datasets/sun_rgbd.py',
    '../datasets/bdd100k.py',
    '../datasets/idd.py',
    '../datasets/ade20k.py',
    '../datasets/coco_panoptic.py',
    '../datasets/kitti.py',
    '../datasets/scannet20.py',
    '../datasets/camvid_mseg.py',
    '../datasets/pascal_voc.py',
    '../datasets/pascal_context.py',
    '../datasets/wilddash2.py',
]
datasets = [
    {{_base_.cityscapes}},
    {{_base_.mapillary}},
    {{_base_.sun_rgbd}},
    {{_base_.bdd100k}},
    {{_base_.idd}},
    {{_base_.ade20k}},
    {{_base_.coco_panoptic}},
]
unseen = [
    {{_base_.kitti}},
    {{_base_.scannet20}},
    {{_base_.camvid_mseg}},
    {{_base_.pascal_voc}},
    {{_base_.pascal_context}},
    {{_base_.wilddash2}},
]
train_dataloader = dict(batch_size=21, dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(datasets=datasets))
test_dataloader = dict(
    dataset=dict(datasets=[
        {{_base_.cityscapes}},
        {{_base_.mapillary}},
        {{_base_.sun_rgbd}},
        {{_base_.bdd100k}},
        {{_base_.idd}},
        {{_base_.ade20k}},
        {{_base_.coco_panoptic}},
        {{_base_.kitti}},
        {{_base_.scannet20}},
        {{_base_.camvid_mseg}},
        {{_base_.pascal_voc}},
        {{_base_.pascal_context}},
        {{_base_.wilddash2}},
    ]))
