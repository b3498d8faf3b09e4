# ADE20K's scene parsing benchmark with the folders of its own package. The labels of the official
# test set are not public: `test` is the validation set.
ade20k = dict(
    name='ade20k',
    type='ADE20KDataset',
    data_root='ade/ADEChallengeData2016',
    splits=dict(
        train=dict(
            data_prefix=dict(img_path='images/training', seg_map_path='annotations/training')),
        val=dict(
            data_prefix=dict(img_path='images/validation', seg_map_path='annotations/validation')),
        test=dict(
            data_prefix=dict(img_path='images/validation', seg_map_path='annotations/validation'))))
