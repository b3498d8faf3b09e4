"""Settings of self-training that cannot be are refused before anything is trained."""

import copy
import os
import shutil

import pytest

from mmseg_multids.apis.trained import build_segmentor

from .selftraining import CITY, COUNT, begun, student, training


@pytest.mark.parametrize('given', ['toys/train', ['toys/train'], ['toys/train/000000.png']])
@pytest.mark.parametrize('place_of', ['variable', 'data', 'itself'])
def test_where_images_are_looked_for(here, tmp_path, monkeypatch, given, place_of):
    below = {'variable': 'all', 'data': 'data', 'itself': '.'}[place_of]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('MULTIDS_DATA_ROOT', raising=False)
    if place_of == 'variable':
        monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path / 'all'))
    shutil.copytree(here / 'images/city/images/train', tmp_path / below / 'toys' / 'train')
    images = begun(student(here, images=given), tmp_path / 'run').settings.images
    assert len(images) == (1 if 'png' in given[0] else COUNT)
    assert os.path.samefile(images.path(0), tmp_path / below / 'toys/train/000000.png')


def files_of_city(here) -> dict:
    """An entry of the images as files, with labels."""
    classes = list(build_segmentor(training([CITY])).space_of('city').classes)
    return {'name': 'files', 'type': 'BaseSegDataset', 'metainfo': {'classes': classes},
            'data_root': str(here / 'images' / 'city'), 'img_suffix': '.png',
            'seg_map_suffix': '.png',
            'data_prefix': {'img_path': 'images/train', 'seg_map_path': 'labels/train'}}


def test_images_of_a_dataset_of_either_config(here):
    cfg = student(here, images={'dataset': 'files'})
    cfg.test_dataloader = copy.deepcopy(cfg.val_dataloader)
    cfg.test_dataloader.dataset.datasets = [files_of_city(here)]
    cfg.test_dataloader.dataset.pop('split')
    images = begun(cfg, here / 'unused').settings.images
    assert images.dataset == 'files' and len(images) == COUNT and images.label_maps is None
    with pytest.raises(ValueError, match="^self_training.images of .*no dataset 'moon'; its"):
        begun(student(here, images={'dataset': 'moon'}), here / 'unused')


@pytest.mark.parametrize(('own', 'words'), [
    ({'teacher': None}, "needs 'teacher'"),
    ({'images': []}, "needs 'images'"),
    ({'student': 'x'}, "has no key 'student'; allowed: teacher, images"),
    ({'dataset': 'moon'}, "needs the PseudoLabelDataset 'moon' .*; there are: pseudo"),
    ({'labels': {'scale': 2}}, "self_training.labels of .* has no key 'scale'; allowed: label_sp"),
    ({'labels': {'scales': [0]}}, 'scales=.*: factors above 0'),
    ({'labels': {'complete': True}}, 'needs the images of a dataset'),
    ({'centroids': {'points': 1}}, "self_training.centroids of .* has no key 'points'"),
    ({'centroids': {'point': 'middle'}}, "self_training.centroids of .*'middle'"),
    ({'images': {'split': 'val'}}, "self_training.images of .*'dataset' is missing"),
    ({'images': {'name': 'city'}}, "has no key 'name'; allowed: dataset, split"),
])
def test_keys_that_cannot_be_are_refused_at_once(here, tmp_path, own, words):
    with pytest.raises(ValueError, match=words):
        begun(student(here, **own), tmp_path / 'run')
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(('change', 'words'), [
    (lambda c: c.model.decode_head.update(dataset_weights={'pseudos': 0.5}),
     "dataset_weights names 'pseudos'.*known: city, pseudo"),
    (lambda c: c.train_dataloader.sampler.plan.ratio.update(pseudo=0),
     "every dataset needs a weight above 0, got {.*'pseudo': 0}; the datasets: city, pseudo"),
    (lambda c: c.train_dataloader.sampler.update(crop_size={'town': (8, 8)}),
     "crop_size names 'town'"),
    (lambda c: c.train_dataloader.sampler.centroids.update(town='x.npz'), "centroids names 'town'"),
    (lambda c: c.train_dataloader.update(batch_sampler={'epoch_of': {'town': 1}}),
     "epoch_of names 'town'"),
])
def test_a_student_that_cannot_be_trained_is_refused_before_the_teacher_is(
        here, tmp_path, change, words):
    cfg = student(here)
    change(cfg)
    with pytest.raises(ValueError, match='^student 1: .*' + words):
        begun(cfg, tmp_path / 'run').run()
    assert not (tmp_path / 'run' / 'teacher').exists()


def test_what_is_missing_is_named(here, tmp_path):
    cfg = student(here)
    for change, kind, words in (
            (lambda c: c.pop('self_training'), ValueError, r'has no `self_training = dict'),
            (lambda c: c.train_dataloader.dataset.update(datasets=[CITY]), ValueError,
             'PseudoLabelDataset among .*; there are: none'),
            (lambda c: c.pop('train_dataloader'), ValueError, 'needs train_dataloader.dataset.dat'),
            (lambda c: c.train_dataloader.dataset.datasets[1].update(soft=True), ValueError,
             "'pseudo' .* has soft=True, so self_training.labels needs soft=K"),
            (lambda c: c.self_training.update(teacher='moon.py'), FileNotFoundError,
             'self_training.teacher of .*moon.py does not exist'),
            (lambda c: c.self_training.update(finetune='moon.py'), FileNotFoundError,
             'self_training.finetune of .*moon.py does not exist'),
            (lambda c: c.self_training.update(images='moon'), FileNotFoundError,
             'self_training.images of .*moon')):
        other = copy.deepcopy(cfg)
        change(other)
        with pytest.raises(kind, match=words):
            begun(other, tmp_path)
    with pytest.raises(FileNotFoundError, match='checkpoint moon.pth of the teacher does not'):
        begun(cfg, tmp_path, 'moon.pth')
    with pytest.raises(ValueError, match='workers=-1'):
        begun(cfg, tmp_path, workers=-1)
    with pytest.raises(ValueError, match='loops=0: at least 1'):
        begun(cfg, tmp_path).run(0)
    assert list(tmp_path.iterdir()) == []
