import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mmseg_multids.datasets import MultiDataset, SampleRequest
from mmseg_multids.datasets.toyworld import (
    LEAVES,
    VIEWS,
    ToyWorldDataset,
    class_relation,
    leaf_to_class,
    leaves_of_class,
    render_scene,
)

PIPELINE = [{'type': 'RenderToyWorld'}, {'type': 'PackSegInputs'}]


@pytest.mark.parametrize('view', VIEWS)
def test_labels_follow_from_the_leaves(view):
    dataset = ToyWorldDataset(view, 'val', size=5, pipeline=PIPELINE)
    table = leaf_to_class(view)
    for i in range(5):
        labels = dataset[i]['data_samples'].gt_sem_seg.data[0].numpy()
        np.testing.assert_array_equal(labels, table[dataset.leaf_map(i)])


@pytest.mark.parametrize('view', VIEWS)
def test_every_class_occurs(view):
    classes = list(VIEWS[view].classes)
    table = leaf_to_class(view)
    seen = np.zeros(256)
    for i in range(300):
        seen[np.unique(table[render_scene(view, 'train', 0, i)[1]])] += 1
    rare = {c: seen[k] for k, c in enumerate(classes) if seen[k] < 6}
    assert not rare  # at least 2 % of the images


def test_a_view_in_another_taxonomy():
    dataset = ToyWorldDataset('asia', 'val', size=2, taxonomy='city', pipeline=PIPELINE)
    assert list(dataset.metainfo['classes']) == list(VIEWS['city'].classes)
    image, leaves = render_scene('asia', 'val', 0, 1)
    labels = dataset[1]['data_samples'].gt_sem_seg.data[0].numpy()
    np.testing.assert_array_equal(labels, leaf_to_class('city')[leaves])


def test_scenes_are_pure_functions_and_splits_share_none():
    first = render_scene('city', 'train', 0, 3)
    render_scene('asia', 'train', 0, 9)
    again = render_scene('city', 'train', 0, 3)
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    others = [render_scene('city', 'val', 0, 3), render_scene('city', 'train', 1, 3),
              render_scene('city', 'train', 0, 4), render_scene('metro', 'train', 0, 3)]
    assert not any(np.array_equal(first[1], leaves) for _, leaves in others)


@pytest.mark.parametrize('size', [(64, 64), (96, 160)])
def test_any_size(size):
    image, leaves = render_scene('atlas', 'train', 0, 0, size)
    assert image.shape == (*size, 3) and image.dtype == np.uint8 and leaves.shape == size


def test_the_world_contains_the_conflicts_of_the_papers():
    assert class_relation('city', 'road', 'atlas', 'Road') == 'superset'
    assert class_relation('atlas', 'Lane Marking', 'city', 'road') == 'subset'
    assert class_relation('city', 'rider', 'atlas', 'Bicyclist') == 'superset'
    assert class_relation('asia', 'curb', 'city', 'sidewalk') == 'overlap'
    assert class_relation('asia', 'vegetation', 'city', 'vegetation') == 'superset'
    assert class_relation('asia', 'fallback', 'city', 'road') == 'overlap'
    assert class_relation('city', 'car', 'metro', 'car') == 'equal'
    assert class_relation('city', 'car', 'room', 'bed') == 'disjoint'
    assert leaf_to_class('city')[LEAVES.index('sign back')] == 255
    assert sum(len(leaves) for leaves in leaves_of_class('atlas').values()) == 31


def test_views_differ_in_their_looks():
    means = {view: np.mean([render_scene(view, 'train', 0, i)[0].mean(axis=(0, 1))
                            for i in range(30)], axis=0) for view in VIEWS}
    names = list(means)
    for i, a in enumerate(names):
        for b in names[i + 1:]:
            assert np.abs(means[a] - means[b]).max() > 4, (a, b)


def test_some_wild_images_are_no_streets():
    indoor = [bool((render_scene('wild', 'test', 0, i)[1] >= LEAVES.index('floor')).any())
              for i in range(60)]
    assert 4 <= sum(indoor) <= 24


def test_ten_million_images_take_no_memory():
    dataset = ToyWorldDataset('city', size=10_000_000, pipeline=PIPELINE)
    assert len(dataset) == 10_000_000
    assert dataset[9_999_999]['inputs'].shape == (3, 128, 128)
    assert len(ToyWorldDataset('city', size=50, indices=7, pipeline=PIPELINE)) == 7
    assert len(ToyWorldDataset('city', size=50, indices=[3, 4], pipeline=PIPELINE)) == 2


def test_in_a_multi_dataset():
    entries = [{'name': v, 'type': 'ToyWorldDataset', 'view': v, 'size': 4}
               for v in ('city', 'room')]
    dataset = MultiDataset(entries, pipeline=PIPELINE)
    sample = dataset[SampleRequest('room', 2, 0)]['data_samples']
    assert sample.metainfo['dataset'] == 'room' and sample.metainfo['sample_name'] == '000002'
    # A concept has one colour in all views.
    colours = {v: dict(zip(s.classes, s.palette)) for v, s in dataset.spaces.items()}
    assert colours['city']['wall'] == colours['room']['wall']


@pytest.mark.parametrize(('kwargs', 'words'), [
    ({'view': 'moon'}, "no view 'moon'; known: city, metro"),
    ({'view': 'city', 'split': 'dev'}, "no split 'dev'; known: train, val, test"),
    ({'view': 'city', 'size': 0}, 'at least one image'),
])
def test_bad_arguments(kwargs, words):
    with pytest.raises(ValueError, match=words):
        ToyWorldDataset(**kwargs)


def test_written_to_disk_it_is_the_same(tmp_path, repo):
    command = [sys.executable, str(repo / 'tools' / 'make_toyworld.py'), str(tmp_path), '--views',
               'city', 'room', '--splits', 'val', '--size', '3', '--image-size', '48', '64']
    subprocess.run(command, check=True, cwd=repo, env={'PYTHONPATH': str(repo), 'PATH': ''})
    for i in range(3):
        image, leaves = render_scene('city', 'val', 0, i, (48, 64))
        stored = {k: np.array(Image.open(tmp_path / 'city' / k / 'val' / f'{i:06d}.png'))
                  for k in ('images', 'labels', 'leaves')}
        np.testing.assert_array_equal(stored['images'], image[..., ::-1])
        np.testing.assert_array_equal(stored['leaves'], leaves)
        np.testing.assert_array_equal(stored['labels'], leaf_to_class('city')[leaves])
    target = tmp_path / 'room' / 'images' / 'val' / '000001.png'
    before = target.stat().st_mtime_ns
    subprocess.run(command, check=True, cwd=repo, env={'PYTHONPATH': str(repo), 'PATH': ''})
    assert target.stat().st_mtime_ns == before  # what is there is not made again
