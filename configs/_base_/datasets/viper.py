# VIPER with the folders of its own packages, images as JPEG. The labels of the official test set
# are not public: `test` is the validation set.
viper = dict(
    name='viper',
    type='ViperDataset',
    data_root='viper',
    splits=dict(
        train=dict(data_prefix=dict(img_path='train/img', seg_map_path='train/cls')),
        val=dict(data_prefix=dict(img_path='val/img', seg_map_path='val/cls')),
        test=dict(data_prefix=dict(img_path='val/img', seg_map_path='val/cls'))))
