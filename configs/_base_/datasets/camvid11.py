camvid11 = dict(
    name='camvid11',
    type='CamVid11Dataset',
    data_root='camvid11',
    splits=dict(
        train=dict(data_prefix=dict(img_path='images/train', seg_map_path='labels/train')),
        val=dict(data_prefix=dict(img_path='images/val', seg_map_path='labels/val')),
        test=dict(data_prefix=dict(img_path='images/val', seg_map_path='labels/val'))))
