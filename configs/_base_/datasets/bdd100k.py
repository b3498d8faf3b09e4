# BDD100K's 10k images with masks. The labels of the official test set are not public: `test` is the
# validation set.
bdd100k = dict(
    name='bdd100k',
    type='BDD100KDataset',
    data_root='bdd100k',
    splits=dict(
        train=dict(
            data_prefix=dict(
                img_path='images/10k/train', seg_map_path='labels/sem_seg/masks/train')),
        val=dict(
            data_prefix=dict(img_path='images/10k/val', seg_map_path='labels/sem_seg/masks/val')),
        test=dict(
            data_prefix=dict(img_path='images/10k/val', seg_map_path='labels/sem_seg/masks/val'))))
