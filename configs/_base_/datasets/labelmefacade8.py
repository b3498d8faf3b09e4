labelmefacade8 = dict(
    name='labelmefacade8',
    type='LabelMeFacade8Dataset',
    data_root='labelmefacade8',
    splits=dict(
        train=dict(data_prefix=dict(img_path='images/train', seg_map_path='labels/train')),
        # Not official training data: taken from the official test list, disjoint from val.
        train_extra=dict(
            data_prefix=dict(img_path='images/train_extra', seg_map_path='labels/train_extra')),
        val=dict(data_prefix=dict(img_path='images/val', seg_map_path='labels/val')),
        test=dict(data_prefix=dict(img_path='images/val', seg_map_path='labels/val'))))
