# pascal_voc.py with the 10,582 training images that most papers use: VOC's own and those of SBD,
# as MMSegmentation's converter voc_aug.py writes them. Classes and name are the same.
pascal_voc_aug = dict(
    name='pascal_voc',
    type='PascalVOCAugDataset',
    data_root='VOCdevkit/VOC2012',
    data_prefix=dict(
        img_path='JPEGImages',
        seg_map_path='SegmentationClass',
        aug_seg_map_path='SegmentationClassAug'),
    splits=dict(
        train=dict(ann_file='ImageSets/Segmentation/trainaug.txt'),
        val=dict(ann_file='ImageSets/Segmentation/val.txt'),
        test=dict(ann_file='ImageSets/Segmentation/val.txt')))
