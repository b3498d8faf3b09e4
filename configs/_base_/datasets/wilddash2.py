# WildDash 2 in the classes of Cityscapes. Its authors do not split the public images: all splits
# are the same.
wilddash2 = dict(
    name='wilddash2',
    type='WildDash2Dataset',
    data_root='wilddash2',
    splits=dict(
        train=dict(data_prefix=dict(img_path='images', seg_map_path='labels')),
        val=dict(data_prefix=dict(img_path='images', seg_map_path='labels')),
        test=dict(data_prefix=dict(img_path='images', seg_map_path='labels'))))
