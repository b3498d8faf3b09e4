# CamVid as the SegNet tutorial holds it: 480x360 pixels, 11 classes, id 11 is not labelled.
camvid = dict(
    name='camvid',
    type='CamVidDataset',
    data_root='camvid',
    splits=dict(
        train=dict(data_prefix=dict(img_path='train', seg_map_path='trainannot')),
        val=dict(data_prefix=dict(img_path='val', seg_map_path='valannot')),
        test=dict(data_prefix=dict(img_path='test', seg_map_path='testannot'))))
