# ScanNet's `scannet_frames_25k`, beside which its authors' lists of scenes lie. The labels of the
# official test set are not public: `test` is the validation set.
scannet20 = dict(
    name='scannet20',
    type='ScanNet20Dataset',
    data_root='scannet',
    data_prefix=dict(img_path='scannet_frames_25k', seg_map_path='scannet_frames_25k'),
    splits=dict(
        train=dict(ann_file='scannetv2_train.txt'),
        val=dict(ann_file='scannetv2_val.txt'),
        test=dict(ann_file='scannetv2_val.txt')))
