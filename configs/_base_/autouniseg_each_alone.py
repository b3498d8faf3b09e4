# AutoUniSeg, Tables 2, 7 and 9: one of the seven datasets alone, tested on all. What is not seen is
# everything but the dataset itself: a config takes its list as `unseen = {{_base_.unseen.NAME}}`
# (which takes the place of these lists).
_base_ = '../autouniseg/autouniseg_hr48_7ds_multihead.py'
unseen = dict(
    cityscapes={{_base_.cityscapes}},
    mapillary={{_base_.mapillary}},
    sun_rgbd={{_base_.sun_rgbd}},
    bdd100k={{_base_.bdd100k}},
    idd={{_base_.idd}},
    ade20k={{_base_.ade20k}},
    coco_panoptic={{_base_.coco_panoptic}},
    kitti={{_base_.kitti}},
    scannet20={{_base_.scannet20}},
    camvid_mseg={{_base_.camvid_mseg}},
    pascal_voc={{_base_.pascal_voc}},
    pascal_context={{_base_.pascal_context}},
    wilddash2={{_base_.wilddash2}},
)
unseen = dict(
    _delete_=True,
    **{alone: [unseen[name] for name in unseen if name != alone] for alone in unseen})
train_dataloader = dict(batch_size=3)
