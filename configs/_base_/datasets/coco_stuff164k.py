# COCO-Stuff with the 171 classes that occur in COCO 2017, as MMSegmentation's converter
# coco_stuff164k.py writes them (`_labelTrainIds`). COCO has no public test labels: `test` is the
# validation set.
coco_stuff164k = dict(
    name='coco_stuff164k',
    type='COCOStuffDataset',
    data_root='coco_stuff164k',
    splits=dict(
        train=dict(
            data_prefix=dict(img_path='images/train2017', seg_map_path='annotations/train2017')),
        val=dict(data_prefix=dict(img_path='images/val2017', seg_map_path='annotations/val2017')),
        test=dict(
            data_prefix=dict(img_path='images/val2017', seg_map_path='annotations/val2017'))))
