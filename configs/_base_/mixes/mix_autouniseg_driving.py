# AutoUniSeg, appendix E: driving alone, WildDash 2 among the training sets (Table 12); tested
# also on seven that are not trained on (Tables 13 and 14).
_base_ = [
    './loaders_autouniseg.py',
    '../datasets/cityscapes.py',
    '../datasets/mapillary.py',
    '../datasets/bdd100k.py',
    '../datasets/idd.py',
    '../datasets/wilddash2.py',
    '../datasets/camvid_mseg.py',
    '../datasets/kitti.py',
    '../datasets/pascal_voc.py',
    '../datasets/scannet20.py',
    '../datasets/sun_rgbd.py',
    '../datasets/ade20k.py',
    '../datasets/coco_panoptic.py',
]
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
