# IDD at level 3. `gtFine` holds the `_labellevel3Ids` that the authors' script writes. The labels
# of the official test set are not public: `test` is the validation set.
idd = dict(
    name='idd',
    type='IddDataset',
    data_root='idd',
    splits=dict(
        train=dict(data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train')),
        val=dict(data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val')),
        test=dict(data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'))))
