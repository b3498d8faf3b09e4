import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmseg_multids.apis.build_centroids import (
    build_centroids,
    format_centroids,
    labelled_images,
)
from mmseg_multids.datasets import MultiDataset
from mmseg_multids.datasets.centroids import open_centroids
from mmseg_multids.functional.centroids import find_objects

from ..test_datasets.test_multi_dataset import PIPELINE, write


def small(repo, **changes) -> Config:
    """The quick start with 6 images of 48x48 of each dataset."""
    cfg = Config.fromfile(repo / 'configs' / 'quickstart' / 'quickstart_toyworld.py')
    for entry in cfg.train_dataloader.dataset.datasets:
        entry.image_size = (48, 48)
        entry.splits.train.size = entry.splits.val.size = 6
        entry.update(changes)
    return cfg


def test_objects_of_toyworld(repo):
    cfg = small(repo)
    images = labelled_images(cfg)
    whole = MultiDataset(cfg.train_dataloader.dataset.datasets, split='train',
                         pipeline=[{'type': 'RenderToyWorld'}, {'type': 'PackSegInputs'}])
    assert images.names == ('city', 'asia', 'atlas')
    index = build_centroids(images, 'asia', 'train', min_area=5)
    assert index.dataset == 'asia' and index.split == 'train' and len(index.names) == 6
    assert index.names[0] == '000000' and index.classes == images.spaces['asia'].classes
    assert index.settings == {'min_area': 5, 'connectivity': 8, 'point': 'inside'}
    expected = np.zeros(len(index.classes), int)
    for i in range(6):
        labels = whole[6 + i]['data_samples'].gt_sem_seg.data[0].numpy()
        objects = find_objects(labels, min_area=5)
        expected += np.bincount(objects.class_ids, minlength=len(expected))
        assert [(o.class_id, *o.centre) for o in index.objects_of(i)] == [
            (c, *p) for c, p in zip(objects.class_ids.tolist(), objects.points.tolist())]
    assert index.num_objects.tolist() == expected.tolist() and len(index) > 50


def test_other_splits_and_chosen_datasets(repo):
    cfg = small(repo)
    train, val = labelled_images(cfg, 'train', ['atlas']), labelled_images(cfg, 'val', ['atlas'])
    assert train.names == val.names == ('atlas',)
    assert build_centroids(train, 'atlas', 'train').hash != build_centroids(
        val, 'atlas', 'train').hash
    assert cfg.train_dataloader.dataset.split == 'train'  # the config stays as it was
    with pytest.raises(ValueError, match="'moon' is unknown; with labels .* has city, asia, atlas"):
        labelled_images(cfg, 'train', ['moon'])
    with pytest.raises(ValueError, match="no split 'dev'"):
        labelled_images(cfg, 'dev')
    with pytest.raises(ValueError, match=r'needs train_dataloader\.dataset\.datasets'):
        labelled_images(Config({'model': {}}))


def test_another_world_is_refused_though_its_images_have_the_same_names(repo, tmp_path):
    build_centroids(labelled_images(small(repo)), 'city').save(tmp_path / 'a.npz')
    open_centroids(tmp_path / 'a.npz', labelled_images(small(repo)), 'city')
    for changes in ({'seed': 1}, {'image_size': (48, 64)}):
        with pytest.raises(ValueError, match='label map of image 0'):
            open_centroids(tmp_path / 'a.npz', labelled_images(small(repo, **changes)), 'city')


def test_several_processes_make_the_same_index(repo, tmp_path):
    images = labelled_images(small(repo), only=['city'])
    hashes, files = [], []
    for workers in (0, 1, 3):
        index = build_centroids(images, 'city', 'train', point='mean', workers=workers)
        index.save(tmp_path / f'{workers}.npz')
        hashes.append(index.hash)
        files.append((tmp_path / f'{workers}.npz').read_bytes())
    assert len(set(hashes)) == len(set(files)) == 1
    assert build_centroids(images, 'city', 'train').hash != hashes[0]


def test_datasets_without_labels_are_left_out(repo):
    cfg = small(repo)
    cfg.train_dataloader.dataset.datasets[1].unlabelled = True
    assert labelled_images(cfg).names == ('city', 'atlas')
    with pytest.raises(ValueError, match="'asia' has no labels"):
        labelled_images(cfg, only=['asia'])


def test_all_bad_label_maps_are_listed(tmp_path):
    images = MultiDataset([write(tmp_path, 'one', 14, 3)], pipeline=PIPELINE)
    labels = tmp_path / 'one' / 'labels'
    (labels / '3.png').write_bytes(b'no picture')
    Image.fromarray(np.full((12, 16), 7, np.uint8)).save(labels / '5.png')
    (labels / '0.png').unlink()
    for workers in (0, 2):
        with pytest.raises(ValueError, match='3 of 14 label maps cannot be used') as info:
            build_centroids(images, 'one', workers=workers)
        text = str(info.value)
        assert all(f'{n}.png' in text for n in (0, 3, 5)) and 'holds the id 7' in text
        assert 'Traceback' not in text
    for i in range(14):
        (labels / f'{i}.png').write_bytes(b'')
    with pytest.raises(ValueError, match='14 of 14') as info:
        build_centroids(images, 'one')
    assert str(info.value).count('could not be read') == 10
    assert str(info.value).endswith('and 4 more')


def test_settings_are_checked_first(tmp_path):
    images = MultiDataset([write(tmp_path, 'one', 2, 3)], pipeline=PIPELINE)
    with pytest.raises(ValueError, match='min_area=0'):
        build_centroids(images, 'one', min_area=0)
    with pytest.raises(ValueError, match="'two' is unknown"):
        build_centroids(images, 'two')


def test_what_is_said(tmp_path):
    images = MultiDataset([write(tmp_path, 'one', 3, 2)], pipeline=PIPELINE)
    said = []
    index = build_centroids(images, 'one', 'train', say=said.append)
    assert len(said) == 1 and said[0].startswith('one: 3 of 3 images, ')
    text = format_centroids(index)
    assert 'one, split train' in text
    assert text.endswith('1 of 3 classes have no object: c')
    row, = (line.split('|') for line in text.splitlines() if line.startswith('| a'))
    assert [int(cell) for cell in row[2:4]] == [index.num_objects[0], 3]
