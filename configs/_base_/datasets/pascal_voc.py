# PASCAL VOC 2012 with the folders of its own package; `background` is a class. The labels of the
# official test set are not public: `test` is the validation set.
pascal_voc = dict(
    name='pascal_voc',
    type='PascalVOCDataset',
    data_root='VOCdevkit/VOC2012',
    data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
    splits=dict(
        train=dict(ann_file='ImageSets/Segmentation/train.txt'),
        val=dict(ann_file='ImageSets/Segmentation/val.txt'),
        test=dict(ann_file='ImageSets/Segmentation/val.txt')))
