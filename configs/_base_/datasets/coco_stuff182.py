# COCO-Stuff with all 182 ids of its `stuffthingmaps_trainval2017`, unpacked as its authors do. COCO
# has no public test labels: `test` is the validation set.
coco_stuff182 = dict(
    name='coco_stuff182',
    type='CocoStuff182Dataset',
    data_root='coco_stuff164k',
    splits=dict(
        train=dict(
            data_prefix=dict(img_path='images/train2017', seg_map_path='annotations/train2017')),
        val=dict(data_prefix=dict(img_path='images/val2017', seg_map_path='annotations/val2017')),
        test=dict(
            data_prefix=dict(img_path='images/val2017', seg_map_path='annotations/val2017'))))
