ycor8 = dict(
    name='ycor8',
    type='Ycor8Dataset',
    data_root='ycor8',
    splits=dict(
        train=dict(data_prefix=dict(img_path='images/train', seg_map_path='labels/train')),
        val=dict(data_prefix=dict(img_path='images/val', seg_map_path='labels/val')),
        test=dict(data_prefix=dict(img_path='images/val', seg_map_path='labels/val'))))
