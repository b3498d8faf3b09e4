mumbai_aerial6 = dict(
    name='mumbai_aerial6',
    type='MumbaiAerial6Dataset',
    data_root='mumbai_aerial6',
    splits=dict(
        train=dict(data_prefix=dict(img_path='images/train', seg_map_path='labels/train')),
        val=dict(data_prefix=dict(img_path='images/val', seg_map_path='labels/val')),
        test=dict(data_prefix=dict(img_path='images/val', seg_map_path='labels/val'))))
