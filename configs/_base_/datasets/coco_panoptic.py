# COCO panoptic with the `panoptic_semseg_*` that Mask2Former's script writes. COCO has no public
# test labels: `test` is the validation set.
coco_panoptic = dict(
    name='coco_panoptic',
    type='CocoPanopticDataset',
    data_root='coco',
    splits=dict(
        train=dict(
            data_prefix=dict(img_path='train2017', seg_map_path='panoptic_semseg_train2017')),
        val=dict(data_prefix=dict(img_path='val2017', seg_map_path='panoptic_semseg_val2017')),
        test=dict(data_prefix=dict(img_path='val2017', seg_map_path='panoptic_semseg_val2017'))))
