import numpy as np
import pytest
from scipy import ndimage

from mmseg_multids.functional.centroids import find_objects

STRUCTURE = {4: ndimage.generate_binary_structure(2, 1), 8: np.ones((3, 3))}
KINDS = ('noise', 'blobs', 'rings', 'stripes', 'many_ids')


def random_map(kind: str, seed: int) -> np.ndarray:
    """Label maps with ignored regions, of odd sizes; 300 stands for ids of 16 bits."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 40, 2)
    rows, columns = np.mgrid[:height, :width]
    if kind == 'noise':  # mostly components of one pixel
        labels = rng.integers(0, 6, (height, width))
    elif kind == 'blobs':
        noise = ndimage.gaussian_filter(rng.random((5, height, width)), (0, 3, 3))
        labels = noise.argmax(0)
    elif kind == 'rings':  # the mean is not on the object
        distance = np.hypot(rows - height / 2 + rng.random(), columns - width / 2)
        labels = (distance // rng.uniform(2, 5)).astype(int) % 3
    elif kind == 'stripes':  # crescents and diagonals, which touch at corners only
        labels = (rows + columns) // rng.integers(1, 4) % 4
    else:
        labels = rng.integers(0, 3, (height, width)) * 300
    labels[rng.random((height, width)) < rng.choice([0, 0.2])] = 255
    return labels.astype(np.uint16 if kind == 'many_ids' else np.uint8)


def slow(labels: np.ndarray, connectivity: int, ignore_index=255) -> dict:
    """Return class, area and mean of each component by a mask of its pixels, class by class."""
    found = {}
    for class_id in np.unique(labels):
        if class_id == ignore_index:
            continue
        numbers, count = ndimage.label(labels == class_id, STRUCTURE[connectivity])
        for number in range(1, count + 1):
            mask = numbers == number
            found[mask.tobytes()] = (int(class_id), int(mask.sum()),
                                     ndimage.center_of_mass(mask), mask)
    return found


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('connectivity', [4, 8])
def test_objects_are_those_of_scipy_and_points_are_on_them(kind, connectivity):
    for seed in range(12):
        labels = random_map(kind, seed)
        objects = find_objects(labels, connectivity=connectivity)
        means = find_objects(labels, connectivity=connectivity, point='mean')
        expected = slow(labels, connectivity)
        assert len(objects.areas) == len(expected)
        free = dict(expected)
        for class_id, point, area, rounded in zip(*objects, means.points):
            owner, = (key for key, (*_, mask) in free.items() if mask[tuple(point)])
            own_class, own_area, mean, mask = free.pop(owner)  # one point on each component
            assert (class_id, area) == (own_class, own_area)
            pixels = np.argwhere(mask)
            distances = np.hypot(*(pixels - mean).T)
            assert np.hypot(*(point - mean)) == pytest.approx(distances.min(), abs=1e-9)
            assert np.abs(rounded - mean).max() <= 0.5 + 1e-9
        assert not free


def test_a_ring():
    labels = np.zeros((9, 9), np.uint8)
    labels[2:7, 2:7] = 1
    labels[3:6, 3:6] = 0
    inside, mean = find_objects(labels), find_objects(labels, point='mean')
    assert inside.class_ids.tolist() == [0, 0, 1] and inside.areas.tolist() == [56, 9, 16]
    assert mean.points.tolist() == [[4, 4], [4, 4], [4, 4]]
    # The first in reading order of those that are equally near.
    assert inside.points.tolist() == [[1, 4], [4, 4], [2, 4]]


def test_a_mean_between_pixels():
    labels = np.full((2, 4), 255, np.uint8)
    labels[1, :2] = 3
    assert find_objects(labels).points.tolist() == [[1, 0]]
    assert find_objects(labels, point='mean').points.tolist() == [[1, 1]]


def test_objects_are_in_the_order_of_classes_and_reading():
    labels = np.array([[2, 0, 2, 0], [1, 1, 1, 1], [0, 2, 0, 2]], np.uint8)
    objects = find_objects(labels, connectivity=4)
    assert objects.class_ids.tolist() == [0, 0, 0, 0, 1, 2, 2, 2, 2]
    assert objects.points.tolist() == [[0, 1], [0, 3], [2, 0], [2, 2], [1, 1],
                                       [0, 0], [0, 2], [2, 1], [2, 3]]


@pytest.mark.parametrize('kind', KINDS)
def test_min_area_leaves_out_the_smaller(kind):
    labels = random_map(kind, 3)
    everything = find_objects(labels)
    smallest = int(everything.areas.min())
    large = find_objects(labels, min_area=smallest + 1)
    keep = everything.areas > smallest
    assert 0 < keep.sum() < len(keep)
    for before, after in zip(everything, large):
        assert np.array_equal(before[keep], after)


@pytest.mark.parametrize(('dtype', 'ignore_index'), [
    (np.uint8, 255), (np.uint8, 0), (np.uint8, 1), (np.uint8, None), (np.uint8, 65535),
    (np.uint16, 255), (np.uint16, 65535), (np.uint16, None), (np.uint32, 255), (np.int64, 255),
    (np.int32, None), (np.int16, -1),
])
def test_any_number_type_and_ignore_index(dtype, ignore_index):
    labels = random_map('blobs', 5)
    largest = min(np.iinfo(dtype).max, 65535)
    labels = labels.astype(dtype)
    labels[:4, :4] = largest
    if ignore_index is not None and 0 <= ignore_index <= largest:
        labels[-2:, :] = ignore_index
    expected = slow(labels, 8, ignore_index)
    objects = find_objects(labels, ignore_index)
    assert sorted(zip(objects.class_ids, objects.areas)) == sorted(v[:2] for v in expected.values())
    assert labels[tuple(objects.points.T)].tolist() == objects.class_ids.tolist()


@pytest.mark.parametrize('labels', [
    np.full((3, 4), 255, np.uint8), np.zeros((0, 4), np.uint8), np.zeros((3, 0), np.uint8)])
def test_nothing_labelled(labels):
    objects = find_objects(labels)
    assert objects.class_ids.shape == objects.areas.shape == (0,)
    assert objects.points.shape == (0, 2)


def test_views_of_other_arrays():
    labels = random_map('blobs', 2)
    wide = np.repeat(np.repeat(labels, 2, 0), 3, 1)
    for got in (wide[::2, ::3], np.asfortranarray(labels)):
        for a, b in zip(find_objects(labels), find_objects(got)):
            assert np.array_equal(a, b)


@pytest.mark.parametrize(('labels', 'kwargs', 'words'), [
    (np.zeros((2, 2, 1), np.uint8), {}, r'shape \(2, 2, 1\)'),
    (np.zeros((2, 2)), {}, 'float64; whole numbers'),
    (np.full((2, 2), -1), {}, 'the id -1'),
    (np.zeros((2, 2), np.uint8), {'min_area': 0}, 'min_area=0'),
    (np.zeros((2, 2), np.uint8), {'connectivity': 6}, 'connectivity=6; allowed: 4'),
    (np.zeros((2, 2), np.uint8), {'point': 'middle'}, "'middle'; allowed: 'inside', 'mean'"),
])
def test_errors(labels, kwargs, words):
    with pytest.raises(ValueError, match=words):
        find_objects(labels, **kwargs)
