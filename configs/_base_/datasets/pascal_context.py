# PASCAL Context, 59 classes, with the files that MMSegmentation's converter writes; id 0,
# background, is not labelled. There is no public test set: `test` is the validation set.
pascal_context = dict(
    name='pascal_context',
    type='PascalContextDataset59',
    data_root='VOCdevkit/VOC2010',
    data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassContext'),
    splits=dict(
        train=dict(ann_file='ImageSets/SegmentationContext/train.txt'),
        val=dict(ann_file='ImageSets/SegmentationContext/val.txt'),
        test=dict(ann_file='ImageSets/SegmentationContext/val.txt')))
