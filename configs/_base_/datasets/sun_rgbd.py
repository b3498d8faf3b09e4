# SUN RGB-D as github.com/chrischoy/SUN_RGBD holds it. It has no validation set: `val` and `test`
# are both its test set.
sun_rgbd = dict(
    name='sun_rgbd',
    type='SunRgbdDataset',
    data_root='sun_rgbd',
    splits=dict(
        train=dict(data_prefix=dict(img_path='image/train', seg_map_path='label37/train')),
        val=dict(data_prefix=dict(img_path='image/test', seg_map_path='label37/test')),
        test=dict(data_prefix=dict(img_path='image/test', seg_map_path='label37/test'))))
