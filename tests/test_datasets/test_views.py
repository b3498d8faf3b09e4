"""Views for pretraining: what corresponds, and what does not."""

import numpy as np
import pytest

from mmseg_multids.datasets.transforms import PretrainViews

PLAIN = {'jitter': 0.0, 'grey': 0.0, 'blur': 0.0}


def results(height=40, width=60):
    """An image that holds coordinates, smooth in both directions, and label maps of them."""
    y, x = np.mgrid[:height, :width]
    return {'img': np.stack([y * 4, x * 4, y * 0], axis=-1).astype(np.uint8),
            'gt_seg_map': (y // 10 * 8 + x // 10).astype(np.uint8),
            'rows': y.astype(np.int32), 'columns': x.astype(np.int32),
            'seg_fields': ['gt_seg_map', 'rows', 'columns'], 'img_shape': (height, width)}


def parts(array, count):
    return np.split(array, count)


@pytest.mark.parametrize('twins', [0, 1, 2])
def test_views_and_their_twins_lie_below_each_other(twins):
    out = PretrainViews((24, 32), twins=twins)(results())
    count = 2 + twins
    assert out['img'].shape == (count * 24, 32, 3) and out['num_views'] == count
    assert out['gt_seg_map'].shape == (count * 24, 32) and out['img_shape'] == (count * 24, 32)


def test_pixels_of_a_twin_come_from_where_those_of_its_view_do():
    np.random.seed(0)
    for _ in range(10):
        out = PretrainViews((24, 32), twins=2)(results())
        for key in ('rows', 'columns', 'gt_seg_map'):
            first, second, *twins = parts(out[key], 4)
            np.testing.assert_array_equal(twins, [first, second])
        assert any((a != b).any() for a, b in zip(*(parts(out[k], 4)[:2] for k in
                                                    ('rows', 'columns'))))
    images = parts(PretrainViews((24, 32), twins=1)(results())['img'], 3)
    assert (images[0] != images[2]).any()  # other colours


def test_one_view_is_an_ordinary_sample():
    out = PretrainViews((24, 32), views=1, twins=0)(results())
    assert out['img'].shape == (24, 32, 3) and out['gt_seg_map'].shape == (24, 32)


def test_labels_follow_the_image():
    """Where an image's pixel was taken from, its colour says; the coordinate maps agree."""
    np.random.seed(1)
    for _ in range(20):
        out = PretrainViews((24, 32), twins=0, **PLAIN)(results())
        # Scaling averages neighbours, nearest takes one of them: less than 1.5 pixels apart.
        assert np.abs(out['img'][..., 0] / 4 - out['rows']).max() < 1.5
        assert np.abs(out['img'][..., 1] / 4 - out['columns']).max() < 1.5
        np.testing.assert_array_equal(out['gt_seg_map'],
                                      out['rows'] // 10 * 8 + out['columns'] // 10)


def test_crops_have_the_areas_and_shapes_that_were_asked_for():
    np.random.seed(2)
    views = PretrainViews((8, 8), area_range=(0.3, 0.5), ratio_range=(0.8, 1.25), flip=0.5)
    crops = [views._crop(200, 200) for _ in range(300)]
    shares = np.array([c.height * c.width / 200 ** 2 for c in crops])
    ratios = np.array([c.width / c.height for c in crops])
    assert 0.29 < shares.min() < 0.32 and 0.48 < shares.max() < 0.51
    assert 0.78 < ratios.min() < 0.85 and 1.18 < ratios.max() < 1.27
    assert 0.4 < np.mean([c.flip for c in crops]) < 0.6
    assert all(0 <= c.top <= 200 - c.height and 0 <= c.left <= 200 - c.width for c in crops)
    assert len({c.top for c in crops}) > 50


def test_an_image_that_no_crop_fits_into_is_cropped_in_the_middle():
    crop = PretrainViews((8, 8), area_range=(0.9, 1.0))._crop(10, 100)
    assert crop[:4] == (0, 43, 10, 13)


def test_colours():
    np.random.seed(3)
    grey = PretrainViews((24, 32), grey=1.0, jitter=0.0, blur=0.0, twins=0)(results())['img']
    assert (grey[..., 0] == grey[..., 1]).all() and (grey[..., 1] == grey[..., 2]).all()
    sharp = results(200, 300)
    sharp['img'] = np.random.randint(0, 256, (200, 300, 3), dtype=np.uint8)
    blurred, plain = (PretrainViews((200, 300), area_range=(1, 1), ratio_range=(1.5, 1.5), flip=0,
                                    jitter=0, grey=0, blur=p)(dict(sharp))['img'] for p in (1, 0))
    assert (plain[:200] == sharp['img']).all()
    assert blurred.std() < plain.std()
    jittered = PretrainViews((24, 32), jitter=1.0, grey=0, blur=0)(results())['img']
    assert jittered.dtype == np.uint8 and len(np.unique(jittered[..., 2])) > 1


@pytest.mark.parametrize(('options', 'words'), [
    ({'size': (0, 8)}, r'size=\(0, 8\)'), ({'area_range': (0.5, 0.2)}, 'area_range'),
    ({'area_range': (0.5, 1.2)}, 'area_range'), ({'ratio_range': (0, 1)}, 'ratio_range'),
    ({'flip': 1.5}, 'flip=1.5: a probability'), ({'blur': -1}, 'blur=-1'),
    ({'twins': 3}, 'twins=3: allowed are 0, 1, 2 with views=2'),
    ({'views': 1, 'twins': 2}, 'twins=2: allowed are 0, 1 with views=1'),
    ({'views': 3}, 'views=3: allowed are 1 and 2')])
def test_options_that_cannot_be(options, words):
    with pytest.raises(ValueError, match=words):
        PretrainViews(**{'size': (8, 8), **options})
