# WildDash 1: the package with public labels, `wd_val_01`, is for evaluation; all splits are the
# same. Images and label maps (full label ids of Cityscapes) lie in one folder.
wilddash = dict(
    name='wilddash',
    type='CityscapesLabelIdsDataset',
    data_root='wilddash',
    img_suffix='_100000.png',
    seg_map_suffix='_100000_labelIds.png',
    splits=dict(
        train=dict(data_prefix=dict(img_path='wd_val_01', seg_map_path='wd_val_01')),
        val=dict(data_prefix=dict(img_path='wd_val_01', seg_map_path='wd_val_01')),
        test=dict(data_prefix=dict(img_path='wd_val_01', seg_map_path='wd_val_01'))))
