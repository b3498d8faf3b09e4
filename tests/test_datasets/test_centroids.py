import json
import os
import signal
import time
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from mmseg_multids.datasets import MultiDataset
from mmseg_multids.datasets.centroids import (
    CentroidIndex,
    ImageObjects,
    label_checksum,
    open_centroids,
)
from mmseg_multids.datasets.label_maps import LabelMaps
from mmseg_multids.functional.centroids import find_objects

from ..miniature import make_miniature
from .test_multi_dataset import PIPELINE, PLAIN, write
from .test_remapped_datasets import entry_of, labels_of

CLASSES = ('a', 'b', 'c', 'd')


def made(counts=((0, 0, 2), (2,), (), (0, 2, 2, 3)), **kwargs) -> CentroidIndex:
    """An index in which the point of each object says where it is: row = image."""
    images = [ImageObjects(f'image{i}', np.array(ids, int), np.array([[i, j] for j in
              range(len(ids))], int), i) for i, ids in enumerate(counts)]
    return CentroidIndex(**{'dataset': 'one', 'split': 'train', 'classes': CLASSES,
                            'images': images, 'settings': {'min_area': 3}, **kwargs})


def of(images: MultiDataset, dataset: str) -> CentroidIndex:
    """The index of a dataset, by hand."""
    maps = LabelMaps(images, dataset)
    return CentroidIndex(dataset, 'train', maps.classes, [
        ImageObjects(maps.name(i), *find_objects(maps[i])[:2], label_checksum(maps[i]))
        for i in range(len(maps))])


def test_counts():
    index = made()
    assert index.num_objects.tolist() == [3, 0, 4, 1] and len(index) == 8
    assert index.num_images.tolist() == [2, 0, 3, 1]
    assert index.present == (0, 2, 3) and index.absent == ('b',)
    assert [(o.class_id, o.centre) for o in index.objects_of(3)] == [
        (0, (3, 0)), (2, (3, 1)), (2, (3, 2)), (3, (3, 3))]
    assert index.objects_of(2) == []


def test_counts_of_random_objects():
    rng = np.random.default_rng(0)
    counts = [rng.integers(0, 4, rng.integers(0, 5)) for _ in range(50)]
    index = made(counts)
    for c in range(4):
        assert index.num_objects[c] == sum((ids == c).sum() for ids in counts)
        assert index.num_images[c] == sum((ids == c).any() for ids in counts)


def test_every_object_is_drawn_once_per_round():
    index = made([[2] * 7, [0, 2], [2] * 5])
    objects = {(i, o.centre) for i in range(3) for o in index.objects_of(i) if o.class_id == 2}
    assert len(objects) == 13
    rounds = [[index.sample(2, draw, 5)[:2] for draw in range(13 * r, 13 * r + 13)]
              for r in range(4)]
    assert all(len(order) == 13 and set(order) == objects for order in rounds)
    assert len(set(map(tuple, rounds))) == 4
    assert all(point[0] == image for order in rounds for image, point in order)


def test_draws_are_a_pure_function_of_integers():
    index = made([[0] * 20])
    first = [index.sample(0, draw, 1) for draw in range(20)]
    assert [index.sample(0, draw, 1) for draw in reversed(range(20))] == first[::-1]
    assert first != [index.sample(0, draw, 2) for draw in range(20)]
    far = index.sample(0, 10 ** 15, 1)
    assert isinstance(far.image, int) and all(type(v) is int for v in far.centre)


def test_draws_of_a_class_are_uniform_over_seeds():
    index = made([[0] * 10])
    counts = Counter(index.sample(0, 0, seed).centre for seed in range(5000))
    assert len(counts) == 10 and all(400 < n < 600 for n in counts.values())


def test_classes_are_drawn_equally_often():
    index = made([[0] * 50, [2], [3] * 3])
    drawn = [index.sample_uniform(draw, 9) for draw in range(600)]
    assert Counter(o.class_id for o in drawn) == {0: 200, 2: 200, 3: 200}
    assert all(len({o.class_id for o in drawn[i:i + 3]}) == 3 for i in range(0, 600, 3))
    assert len({tuple(o.class_id for o in drawn[i:i + 3]) for i in range(0, 600, 3)}) == 6
    objects = Counter(o.centre for o in drawn if o.class_id == 0)
    assert len(objects) == 50 and set(objects.values()) == {4}


def test_classes_without_objects_and_wrong_numbers_are_refused():
    index = made()
    for arguments, words in (((1, 0, 0), "class 'b' has no object"),
                             ((4, 0, 0), 'class id 4; allowed are 0 to 3'),
                             ((-1, 0, 0), 'class id -1'), ((0, -1, 0), 'draw=-1')):
        with pytest.raises(ValueError, match=words):
            index.sample(*arguments)
    with pytest.raises(ValueError, match='no class has an object'):
        made([[], []]).sample_uniform(0, 0)
    with pytest.raises(ValueError, match='has 4 classes; an object has the class id 4'):
        made([[4]])
    with pytest.raises(ValueError, match='at least one image'):
        made([])


def test_a_file_holds_the_same(tmp_path):
    index = made()
    index.save(tmp_path / 'folder' / 'a.npz')
    again = CentroidIndex.load(tmp_path / 'folder' / 'a.npz')
    for key in ('dataset', 'split', 'classes', 'names', 'settings', 'hash', 'present', 'absent'):
        assert getattr(again, key) == getattr(index, key), key
    assert again.settings == {'min_area': 3}
    assert [again.sample_uniform(i, 3) for i in range(50)] == [
        index.sample_uniform(i, 3) for i in range(50)]


def test_points_beyond_16_bits(tmp_path):
    index = CentroidIndex('one', None, CLASSES, [ImageObjects('x', [0], [[7, 70000]], 0)])
    index.save(tmp_path / 'a.npz')
    assert CentroidIndex.load(tmp_path / 'a.npz').sample(0, 0, 0).centre == (7, 70000)


def test_the_hash_covers_everything():
    base = made().hash
    assert base == made().hash
    changes = [{'dataset': 'two'}, {'split': 'val'}, {'classes': ('a', 'b', 'c', 'x')},
               {'settings': {'min_area': 4}}]
    others = [made(**change).hash for change in changes]
    others.append(made(((0, 0, 2), (3,), (), (0, 2, 2, 3))).hash)
    for i, field in ((0, 'renamed'), (2, np.array([[0, 1]])), (3, 9)):
        item = ImageObjects('image0', np.array([0]), np.array([[0, 0]]), 0)
        plain = made(images=[item]).hash
        changed = made(images=[item._replace(**{item._fields[i]: field})]).hash
        assert changed != plain
        others += [plain, changed]
    assert base not in others


def test_changed_damaged_and_other_files_are_refused(tmp_path):
    path = tmp_path / 'a.npz'
    made().save(path)
    with np.load(path) as stored:
        arrays = dict(stored)
    about = json.loads(arrays['about'].tobytes())
    about['settings']['min_area'] = 1
    text = json.dumps(about, sort_keys=True, ensure_ascii=False)
    np.savez(tmp_path / 'settings.npz', **{**arrays, 'about': np.frombuffer(text.encode(), 'u1')})
    np.savez(tmp_path / 'rows.npz', **{**arrays, 'rows': arrays['rows'] + 1})
    for name in ('settings', 'rows'):
        with pytest.raises(ValueError, match=f'{name}.npz is not as it was written'):
            CentroidIndex.load(tmp_path / f'{name}.npz')
    (tmp_path / 'half.npz').write_bytes(path.read_bytes()[:-200])
    (tmp_path / 'text.npz').write_text('hello')
    np.savez(tmp_path / 'other.npz', a=np.zeros(3))
    for name in ('half', 'text', 'other'):
        with pytest.raises(ValueError, match=f'{name}.npz is no centroid index'):
            CentroidIndex.load(tmp_path / f'{name}.npz')
    with pytest.raises(FileNotFoundError, match=r'none.npz does not exist.*build_centroids'):
        CentroidIndex.load(tmp_path / 'none.npz')


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / 'a.npz'
    made().save(path)
    before = path.read_bytes()

    def full(stream, **_):
        stream.write(b'half of it')
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(np, 'savez', full)
    with pytest.raises(OSError, match='No space'):
        made([[0]]).save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_process_that_is_killed_while_it_writes_leaves_the_old_one(tmp_path):
    path = tmp_path / 'a.npz'
    made().save(path)
    before = path.read_bytes()
    child = os.fork()
    if child == 0:
        def killed(stream, **_):
            stream.write(before[:100])
            stream.flush()
            os.kill(os.getpid(), signal.SIGKILL)

        np.savez = killed
        made([[0]]).save(path)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2  # it had begun another one


@pytest.fixture
def images(tmp_path):
    return MultiDataset([write(tmp_path, 'one', 5, 3), write(tmp_path, 'two', 3, 2)],
                        pipeline=PIPELINE)


def test_it_fits_the_dataset_it_was_made_from_and_no_other(images, tmp_path):
    of(images, 'one').save(tmp_path / 'one.npz')
    index = open_centroids(tmp_path / 'one.npz', images, 'one')
    assert index.names == ('0', '1', '2', '3', '4')
    labels = LabelMaps(images, 'one')
    for draw in range(40):
        image, point, class_id = index.sample_uniform(draw, 0)
        assert labels[image][point] == class_id
    with pytest.raises(ValueError, match=r"one.npz does not fit dataset 'two': its class 0 is 'a', "
                                         "that of the dataset 'x'; build it again"):
        open_centroids(tmp_path / 'one.npz', images, 'two')


def test_other_images_or_label_maps_are_refused(images, tmp_path):
    path, labels = tmp_path / 'one.npz', tmp_path / 'one' / 'labels' / '4.png'
    of(images, 'one').save(path)
    stored = labels.read_bytes()
    Image.fromarray(np.array(Image.open(labels))[::-1]).save(labels)
    with pytest.raises(ValueError, match=r'label map of image 4 \(4\) is not the one'):
        open_centroids(path, images, 'one')
    labels.write_bytes(stored)
    open_centroids(path, images, 'one')
    for kind in ('images', 'labels'):
        (tmp_path / 'one' / kind / '2.png').rename(tmp_path / 'one' / kind / '20.png')
    again = MultiDataset([{**write(tmp_path / 'x', 'one', 1, 3), 'data_root':
                           str(tmp_path / 'one')}], pipeline=PIPELINE)
    with pytest.raises(ValueError, match="its image 2 is '2', that of the dataset '20'"):
        open_centroids(path, again, 'one')
    for kind in ('images', 'labels'):
        (tmp_path / 'one' / kind / '20.png').rename(tmp_path / 'one' / kind / '2.png')
        (tmp_path / 'one' / kind / '4.png').unlink()
    fewer = MultiDataset([{**write(tmp_path / 'y', 'one', 1, 3), 'data_root':
                           str(tmp_path / 'one')}], pipeline=PIPELINE)
    with pytest.raises(ValueError, match=r'made from 5 image\(es\), the dataset has 4'):
        open_centroids(path, fewer, 'one')


def test_label_maps_are_those_of_training_without_augmentation(images, tmp_path):
    plain = MultiDataset([{**write(tmp_path / 'x', 'two', 3, 2)}], pipeline=PLAIN)
    images = MultiDataset([write(tmp_path / 'y', 'one', 2, 3),
                           {**write(tmp_path / 'z', 'two', 3, 2)}], pipeline=PIPELINE)
    maps = LabelMaps(images, 'two')
    assert len(maps) == 3 and maps.classes == ('x', 'y') and maps.ignore_index == 255
    for i in range(3):
        assert np.array_equal(maps[i], plain[i]['data_samples'].gt_sem_seg.data[0].numpy())
        assert maps.name(i) == str(i)


def test_label_maps_with_reduced_ids_and_without_images(tmp_path):
    entry = write(tmp_path, 'one', 3, 4, reduce_zero_label=True)
    images = MultiDataset([entry], pipeline=PIPELINE)
    maps = LabelMaps(images, 'one')
    first = maps[0]
    stored = np.array(Image.open(tmp_path / 'one' / 'labels' / '0.png')).astype(int)
    assert np.array_equal(first, np.where(stored == 0, 255, stored - 1))
    (tmp_path / 'one' / 'images' / '1.png').write_bytes(b'')  # not needed any more
    assert maps[1].shape == (12, 16)


@pytest.mark.parametrize('labels', ['LoadLabelMap', 'LoadAnnotations'])
def test_label_maps_of_a_remapped_dataset(repo, tmp_path, monkeypatch, labels):
    make_miniature(tmp_path, 'camvid11', images=2)
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    pipeline = [PLAIN[0], {'type': labels}, PLAIN[-1]]
    own, remapped = (MultiDataset([entry_of(repo, 'camvid11', **changes)], 'val', pipeline)
                     for changes in ({}, {'remap': 'camvid11_to_ycor8.json'}))
    maps = LabelMaps(remapped, 'camvid11')
    assert maps.classes == remapped.spaces['camvid11'].classes
    assert np.array_equal(maps[1], labels_of(remapped[1]))
    assert not np.array_equal(maps[1], LabelMaps(own, 'camvid11')[1])


class LabelsOfTheImage:
    """A loading transform that needs the image: labels where it is bright."""

    def __call__(self, results):
        results['gt_seg_map'] = (results['img'][..., 0] > 127).astype(np.uint8)
        return results


def test_an_image_is_loaded_where_the_labels_need_it(tmp_path):
    images = MultiDataset([write(tmp_path, 'one', 2, 3)], pipeline=PLAIN)
    images.datasets['one'].pipeline.transforms[1] = LabelsOfTheImage()
    bright = np.array(Image.open(tmp_path / 'one' / 'images' / '1.png'))[..., 2] > 127
    maps = LabelMaps(images, 'one')
    assert np.array_equal(maps[1], bright) and np.array_equal(maps[1], bright)


def test_bad_label_maps_are_named(images, tmp_path):
    maps = LabelMaps(images, 'one')
    (tmp_path / 'one' / 'labels' / '0.png').write_bytes(b'no picture')
    with pytest.raises(ValueError, match=r'dataset one, image 0: label map .*0.png could not'):
        maps[0]
    assert maps[1].shape == (12, 16)  # the first one being unreadable changes nothing
    Image.fromarray(np.full((12, 16), 7, np.uint8)).save(tmp_path / 'one' / 'labels' / '2.png')
    with pytest.raises(ValueError, match=r'2.png holds the id 7; allowed are 0 to 2'):
        maps[2]
    with pytest.raises(ValueError, match="dataset 'moon' is unknown; with labels there are: one"):
        LabelMaps(images, 'moon')


def test_datasets_without_labels_are_refused(tmp_path):
    images = MultiDataset([write(tmp_path, 'one', 2, 3),
                           write(tmp_path, 'two', 2, 2, unlabelled=True)], pipeline=PIPELINE)
    with pytest.raises(ValueError, match="dataset 'two' has no labels"):
        LabelMaps(images, 'two')
    (tmp_path / 'none').mkdir()
    bare = MultiDataset([write(tmp_path / 'none', 'one', 2, 3)], pipeline=[PLAIN[0]])
    with pytest.raises(ValueError, match='its pipeline loads no label map'):
        LabelMaps(bare, 'one')[0]


def test_checksums_do_not_depend_on_the_number_type():
    labels = np.arange(12).reshape(3, 4)
    own = label_checksum(labels)
    assert {label_checksum(labels.astype(t)) for t in ('u1', 'u2', 'i8', '>u2')} == {own}
    others = [labels.reshape(4, 3), labels.T, labels + 1, labels * 100]
    assert own not in map(label_checksum, others)


def test_a_large_index_loads_quickly(tmp_path):
    """43,000 images with about 30 objects each."""
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 61, 43000)
    ids = np.split(rng.integers(0, 19, counts.sum()), np.cumsum(counts)[:-1])
    points = np.split(rng.integers(0, 1024, (counts.sum(), 2)), np.cumsum(counts)[:-1])
    index = CentroidIndex('big', 'train', [f'c{i}' for i in range(19)], [
        ImageObjects(f'aachen/aachen_{i:06d}_000019_leftImg8bit', a, b, i)
        for i, (a, b) in enumerate(zip(ids, points))])
    index.save(tmp_path / 'big.npz')
    start = time.process_time()
    again = CentroidIndex.load(tmp_path / 'big.npz')
    assert time.process_time() - start < 1
    assert again.hash == index.hash and len(again) == counts.sum()
    assert (tmp_path / 'big.npz').stat().st_size < 20e6
