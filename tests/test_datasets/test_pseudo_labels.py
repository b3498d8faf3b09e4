import json

import numpy as np
import pytest
from PIL import Image

from mmseg_multids.datasets import MultiDataset, PseudoLabelDataset, SampleRequest
from mmseg_multids.datasets.metainfo import label_space_from_cfg
from mmseg_multids.datasets.pseudo_folder import FORMAT, PseudoLabelFolder
from mmseg_multids.files import write_ids

CLASSES = ['road', 'sky', 'car']
PALETTE = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def fill(root, images=('a/0.jpg', 'a/1.jpg', '2.png'), classes=CLASSES, soft=2, size=(12, 16),
         ignore_index=255):
    """Images, and a folder as `tools/pseudo_label.py` writes it."""
    folder = PseudoLabelFolder(root / 'pseudo')
    folder.begin({'format': FORMAT, 'checkpoint_sha256': '0' * 64, 'target': 'city',
                  'classes': list(classes), 'palette': PALETTE, 'ignore_index': ignore_index,
                  'settings': {'soft': soft}, 'image_root': str(root / 'photos'),
                  'images': list(images)})
    rng = np.random.default_rng(0)
    for image in images:
        path, name = root / 'photos' / image, image.rsplit('.', 1)[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
        labels = rng.choice([0, 1, 2, 255], size).astype(np.uint8)
        write_ids(folder.label(name), labels, 256)
        ids = np.stack([labels % 3, (labels + 1) % 3]).astype(np.uint8)
        folder.soft(name).parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder.soft(name), ids=ids, scores=rng.integers(
            1, 200, (2, *size)).astype(np.uint8))
    return folder


def entry(root, **changes):
    return {'name': 'city_pseudo', 'type': 'PseudoLabelDataset', 'folder': str(root / 'pseudo'),
            **changes}


def test_the_folder_is_a_dataset(tmp_path):
    fill(tmp_path)
    space = label_space_from_cfg(entry(tmp_path))
    assert space.classes == tuple(CLASSES) and space.palette == ((1, 2, 3), (4, 5, 6), (7, 8, 9))
    images = MultiDataset([entry(tmp_path)], pipeline=[
        {'type': 'LoadImageFromFile'}, {'type': 'LoadLabelMap'}, {'type': 'PackSegInputs'}])
    assert len(images) == 3
    for i, name in enumerate(('a/0', 'a/1', '2')):
        sample = images[i]['data_samples']
        assert sample.metainfo['sample_name'] == name
        assert np.array_equal(sample.gt_sem_seg.data[0], np.array(
            Image.open(tmp_path / 'pseudo' / 'labels' / f'{name}.png')))
    assert 'soft_path' not in images.get_data_info(0)


def test_images_and_folder_may_lie_elsewhere(tmp_path, monkeypatch):
    fill(tmp_path)
    (tmp_path / 'photos').rename(tmp_path / 'moved')
    with pytest.raises(FileNotFoundError, match=r'photos/a/0.jpg.*image_root=DIR'):
        PseudoLabelDataset(tmp_path / 'pseudo')
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    data = PseudoLabelDataset('pseudo', image_root=tmp_path / 'moved')
    assert data.get_data_info(2)['img_path'] == str(tmp_path / 'moved' / '2.png')


def test_unfinished_and_changed_folders(tmp_path):
    folder = fill(tmp_path)
    folder.label('a/1').unlink()
    with pytest.raises(ValueError, match=r'not finished: 1 of 3 images .*a/1.jpg.*same command'):
        PseudoLabelDataset(tmp_path / 'pseudo')
    folder.failed_file.write_text(json.dumps({'a/1.jpg': 'broken'}))
    data = PseudoLabelDataset(tmp_path / 'pseudo')
    assert [data.get_data_info(i)['img_path'][-5:] for i in range(len(data))] == [
        '0.jpg', '2.png']
    folder.label('a/x').write_bytes(folder.label('a/0').read_bytes())
    with pytest.raises(ValueError, match='3 label maps, .* of 3 images; not among them: a/x'):
        PseudoLabelDataset(tmp_path / 'pseudo')
    folder.manifest_file.write_text(folder.manifest_file.read_text().replace('sky', 'sea'))
    with pytest.raises(ValueError, match='not as it was written'):
        PseudoLabelDataset(tmp_path / 'pseudo')


def test_classes_may_be_named_before_the_folder_is_there(tmp_path):
    named = entry(tmp_path, metainfo={'classes': CLASSES})
    assert label_space_from_cfg(named).classes == tuple(CLASSES)
    images = MultiDataset([named], pipeline=[], lazy_init=True)
    with pytest.raises(FileNotFoundError, match=r'no pseudo labels in .*tools/pseudo_label.py'):
        images.full_init()
    fill(tmp_path)
    images.full_init()
    assert len(images) == 3
    for classes, words in (
            (['road', 'car', 'sky'], "its class 1 is 'sky', in the config 'car'"),
            (['road', 'sky'], 'in 3 classes, the config has 2')):
        with pytest.raises(ValueError, match=words):
            PseudoLabelDataset(tmp_path / 'pseudo', metainfo={'classes': classes})
    with pytest.raises(FileNotFoundError, match='no pseudo labels in'):
        label_space_from_cfg(entry(tmp_path / 'elsewhere'))


def test_what_is_refused(tmp_path):
    fill(tmp_path, ignore_index=65535, soft=0)
    with pytest.raises(ValueError, match='in 16 bits; a model trains on at most 255'):
        label_space_from_cfg(entry(tmp_path))
    with pytest.raises(ValueError, match='in 16 bits'):
        PseudoLabelDataset(tmp_path / 'pseudo', metainfo={'classes': CLASSES})
    fill(tmp_path / 'hard', soft=0)
    with pytest.raises(ValueError, match='has no soft labels'):
        PseudoLabelDataset(tmp_path / 'hard' / 'pseudo', soft=True)
    for wrong in ({'ann_file': 'a.txt'}, {'reduce_zero_label': True}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            PseudoLabelDataset(tmp_path / 'hard' / 'pseudo', **wrong)


SOFT = [{'type': 'LoadImageFromFile'}, {'type': 'LoadLabelMap'}, {'type': 'LoadSoftLabel'}]


def stored(folder, name):
    labels = np.array(Image.open(folder.label(name)))
    with np.load(folder.soft(name)) as soft:
        return labels, soft['ids'], soft['scores'].astype(np.float64)


def test_soft_labels_are_packed(tmp_path):
    folder = fill(tmp_path)
    images = MultiDataset([entry(tmp_path, soft=True)],
                          pipeline=[*SOFT, {'type': 'PackSoftSegInputs'}])
    sample = images[2]['data_samples']
    labels, ids, scores = stored(folder, '2')
    known = labels != 255
    got = sample.gt_soft_scores.data.numpy()
    assert got.shape == (2, 12, 16) and sample.gt_soft_ids.data.shape == (2, 12, 16)
    np.testing.assert_allclose(got[:, known], (scores / scores.sum(axis=0))[:, known], rtol=1e-6)
    assert (got[:, ~known] == 0).all() and 0 < known.sum() < known.size
    assert np.array_equal(sample.gt_soft_ids.data.numpy()[:, known], ids[:, known])


@pytest.mark.parametrize('moves', [
    [{'type': 'Resize', 'scale_factor': 2.0, 'keep_ratio': True},
     {'type': 'RandomCrop', 'crop_size': (10, 10)}, {'type': 'RandomFlip', 'prob': 1.0}],
    [{'type': 'RandomScale', 'ratio_range': (0.6, 1.7)},
     {'type': 'PlannedCrop', 'crop_size': (18, 20)}, {'type': 'RandomFlip', 'prob': 0.5}],
])
def test_soft_labels_move_with_the_label_map(tmp_path, moves):
    folder = fill(tmp_path)
    for name in ('a/0', 'a/1', '2'):  # the first id is the label, its score tells the pixel
        labels, ids, scores = stored(folder, name)
        ids[0], ids[1] = np.where(labels == 255, 9, labels), 3 + ids[1]
        scores[0], scores[1] = 10 + 50 * ids[0], 100
        np.savez_compressed(folder.soft(name), ids=ids, scores=scores.astype(np.uint8))
    images = MultiDataset([entry(tmp_path, soft=True)],
                          pipeline=[*SOFT, *moves, {'type': 'PackSoftSegInputs'}])
    ignored = 0
    for i in range(12):
        sample = images[SampleRequest('city_pseudo', i % 3, i)]['data_samples']
        labels = sample.gt_sem_seg.data[0].numpy()
        ids, scores = sample.gt_soft_ids.data.numpy(), sample.gt_soft_scores.data.numpy()
        known = labels != 255
        ignored += (~known).sum()
        assert ids.shape[1:] == labels.shape and np.array_equal(ids[0][known], labels[known])
        first = 10 + 50.0 * labels[known]
        np.testing.assert_allclose(scores[0][known], first / (first + 100), rtol=1e-6)
        np.testing.assert_allclose(scores.sum(axis=0), known, rtol=1e-6)
        assert (ids[:, ~known] == 0).all()
    assert ignored


def test_samples_without_soft_labels(tmp_path):
    fill(tmp_path)
    for changes in ({}, {'soft': True, 'unlabelled': True}):
        own = [entry(tmp_path, **changes)]
        if changes:
            own.append({**entry(tmp_path), 'name': 'hard'})
        images = MultiDataset(own, pipeline=[*SOFT, {'type': 'PackSoftSegInputs'}])
        sample = images[0]['data_samples']
        assert 'gt_soft_ids' not in sample and 'gt_soft_scores' not in sample
        assert 'gt_sem_seg' in sample


def test_wrong_soft_labels(tmp_path):
    folder = fill(tmp_path)
    images = MultiDataset([entry(tmp_path, soft=True)], pipeline=SOFT)
    np.savez_compressed(folder.soft('2'), ids=np.zeros((2, 5, 5), np.uint8),
                        scores=np.zeros((2, 5, 5), np.uint8))
    with pytest.raises(ValueError, match=r'have shape \(2, 5, 5\), the label map \(12, 16\)'):
        images[2]
    folder.soft('a/0').write_bytes(b'no archive')
    with pytest.raises(ValueError, match='a/0.npz holds no soft labels'):
        images[0]
    folder.soft('a/1').unlink()
    with pytest.raises(ValueError, match='do not exist; make them with .*--soft K'):
        images[1]
