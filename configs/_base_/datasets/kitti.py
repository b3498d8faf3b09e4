# KITTI's semantic benchmark, with full label ids of Cityscapes. Its authors split the labelled
# images no further: all splits are the same.
kitti = dict(
    name='kitti',
    type='CityscapesLabelIdsDataset',
    data_root='kitti',
    splits=dict(
        train=dict(data_prefix=dict(img_path='training/image_2', seg_map_path='training/semantic')),
        val=dict(data_prefix=dict(img_path='training/image_2', seg_map_path='training/semantic')),
        test=dict(data_prefix=dict(img_path='training/image_2', seg_map_path='training/semantic'))))
