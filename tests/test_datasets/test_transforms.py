import numpy as np
import pytest
from mmcv.transforms import Resize
from mmseg.datasets.transforms import RandomFlip

from mmseg_multids.datasets.transforms import PlannedCrop, RandomScale


def results(height=20, width=30, **more):
    """An image whose pixels hold their own coordinates."""
    y, x = np.mgrid[:height, :width]
    return {'img': np.stack([y, x, y * 0], axis=-1).astype(np.uint8),
            'gt_seg_map': (y * 0 + x).astype(np.uint8), 'seg_fields': ['gt_seg_map'],
            'img_shape': (height, width), **more}


def test_the_requests_size_comes_first():
    crop = PlannedCrop(crop_size=(4, 4))
    assert crop(results())['img'].shape == (4, 4, 3)
    out = crop(results(crop_size=(6, 9)))
    assert out['img'].shape == (6, 9, 3) and out['img_shape'] == (6, 9)
    np.testing.assert_array_equal(out['img'][..., 1], out['gt_seg_map'])  # cut together
    with pytest.raises(ValueError, match='no crop_size'):
        PlannedCrop()(results())


@pytest.mark.parametrize(('centre', 'corner'), [((10, 15), (8, 13)), ((0, 0), (0, 0)),
                                                ((19, 29), (16, 26))])
def test_crops_lie_around_the_centre(centre, corner):
    out = PlannedCrop(crop_size=(4, 4))(results(centre=centre))
    assert tuple(out['img'][0, 0, :2]) == corner


def test_the_centre_follows_scaling_and_flipping():
    scaled = results(40, 60, centre=(5, 10), scale_factor=(2.0, 2.0), ori_shape=(20, 30))
    assert tuple(PlannedCrop(crop_size=(4, 4))(scaled)['img'][2, 2, :2]) == (10, 20)
    flipped = results(20, 30, centre=(5, 10), flip=True, flip_direction='horizontal')
    assert tuple(PlannedCrop(crop_size=(4, 4))(flipped)['img'][2, 2, :2]) == (5, 19)


def test_the_centre_follows_several_scalings():
    start = {'img': np.zeros((20, 30, 3), np.uint8), 'img_shape': (20, 30), 'ori_shape': (20, 30),
             'centre': (6, 20)}
    start['img'][6, 20] = 255
    for step in (Resize(scale_factor=3.0, keep_ratio=True), RandomFlip(prob=1.0),
                 Resize(scale=(60, 40), keep_ratio=False)):
        start = step(start)
    crop = PlannedCrop(crop_size=(8, 8))(start)['img'][..., 0].astype(int)
    rows, columns = np.nonzero(crop > crop.max() / 2)  # scaled to about 2x2 pixels
    assert abs(rows.mean() - 4) <= 1.5 and abs(columns.mean() - 4) <= 1.5


def test_small_images_are_padded_with_the_ignore_index():
    out = PlannedCrop(crop_size=(32, 32))(results())
    assert out['img'].shape == (32, 32, 3)
    assert (out['gt_seg_map'][20:] == 255).all() and (out['gt_seg_map'][:, 30:] == 255).all()
    assert (out['img'][20:] == 0).all()


def test_crops_of_one_class_are_drawn_again():
    np.random.seed(0)
    data = results(8, 200)
    data['gt_seg_map'] = (np.arange(200) > 150).astype(np.uint8)[None].repeat(8, axis=0)
    hits = {ratio: 0 for ratio in (1.0, 0.9)}
    for ratio in hits:
        for _ in range(100):
            crop = PlannedCrop(crop_size=(8, 40), cat_max_ratio=ratio)
            hits[ratio] += len(np.unique(crop(dict(data))['gt_seg_map'])) > 1
    assert hits[0.9] > 1.5 * hits[1.0]


def test_scaling_is_relative_to_the_image():
    np.random.seed(0)
    sizes = []
    for _ in range(30):
        out = RandomScale(ratio_range=(0.5, 2.0))(results())
        assert out['img'].shape[:2] == out['gt_seg_map'].shape == out['img_shape']
        assert set(np.unique(out['gt_seg_map'])) <= set(range(30))  # labels are never mixed
        sizes.append(out['img_shape'][0] / 20)
    assert min(sizes) < 0.7 and max(sizes) > 1.7 and 0.5 <= min(sizes) <= max(sizes) <= 2.0


@pytest.mark.parametrize(('make', 'words'), [
    (lambda: RandomScale(ratio_range=(0, 2)), '0 < smallest'),
    (lambda: RandomScale(ratio_range=(2, 1)), '0 < smallest'),
    (lambda: PlannedCrop(crop_size=(0, 4)), 'above 0')])
def test_bad_arguments(make, words):
    with pytest.raises(ValueError, match=words):
        make()
