# `gtFine` holds the `_labelTrainIds` that Cityscapes' own scripts write. The labels of the official
# test set are not public: `test` is the validation set.
cityscapes = dict(
    name='cityscapes',
    type='CityscapesDataset',
    data_root='cityscapes',
    splits=dict(
        train=dict(data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train')),
        val=dict(data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val')),
        test=dict(data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'))))
