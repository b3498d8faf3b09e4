"""Images without labels among those of a mix."""

import shutil

import numpy as np
import pytest
from PIL import Image

from mmseg_multids.datasets import MultiDataset, SampleRequest
from mmseg_multids.datasets.metainfo import is_unlabelled, label_spaces_from_cfg

from .test_multi_dataset import PLAIN, write


def folder(root, names=('b.png', 'deep/er/a.JPG', 'c.txt')):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith('txt'):
            path.write_text('no image')
        else:
            Image.fromarray(np.full((6, 8, 3), 7, np.uint8)).save(path)
    return {'name': 'photos', 'type': 'UnlabelledImages', 'data_root': str(root)}


@pytest.fixture
def labelled(tmp_path):
    return write(tmp_path / 'data', 'one', 5, 3)


def test_all_images_of_a_folder_are_taken_and_none_is_labelled(tmp_path, labelled):
    mix = MultiDataset([labelled, folder(tmp_path / 'photos')], pipeline=PLAIN)
    assert mix.sizes == {'one': 5, 'photos': 2} and mix.unlabelled == {'photos'}
    assert list(mix.metainfo['datasets']) == ['one']
    found = [mix[SampleRequest('photos', i, 1)]['data_samples'] for i in range(2)]
    assert [one.metainfo['sample_name'] for one in found] == ['b', 'deep/er/a']
    assert all((one.gt_sem_seg.data == 255).all() for one in found)
    assert found[0].gt_sem_seg.shape == (6, 8)
    assert (mix[0]['data_samples'].gt_sem_seg.data < 3).all()


def test_any_datasets_labels_can_be_left_out(tmp_path, labelled):
    other = write(tmp_path / 'data', 'two', 3, 2, unlabelled=True)
    mix = MultiDataset([labelled, {'extends': other}], pipeline=PLAIN)
    assert mix.unlabelled == {'two'} and list(mix.spaces) == ['one']
    assert (mix[SampleRequest('two', 0, 1)]['data_samples'].gt_sem_seg.data == 255).all()


def test_labels_that_are_left_out_need_not_be_there(tmp_path, labelled):
    other = write(tmp_path / 'data', 'two', 3, 2)
    shutil.rmtree(tmp_path / 'data' / 'two' / 'labels')
    mix = MultiDataset([labelled, {**other, 'unlabelled': True}], pipeline=PLAIN)
    assert (mix[SampleRequest('two', 2, 1)]['data_samples'].gt_sem_seg.data == 255).all()


def test_folders_and_mixes_that_cannot_be(tmp_path, labelled):
    with pytest.raises(FileNotFoundError, match='photos.*nowhere'):
        MultiDataset([labelled, {**folder(tmp_path / 'p'), 'data_root': 'nowhere'}],
                     pipeline=PLAIN)
    empty = folder(tmp_path / 'empty', ['c.txt'])
    with pytest.raises(ValueError, match=r"'photos' is empty; no image in '.*empty/?' with suffix "
                                         r"'\.jpg', '\.jpeg', '\.png' \(UnlabelledImages: no"):
        MultiDataset([labelled, empty], pipeline=PLAIN)
    with pytest.raises(ValueError, match="'photos' has unlabelled=False"):
        is_unlabelled({**empty, 'unlabelled': False})
    with pytest.raises(ValueError, match='no dataset has labels'):
        label_spaces_from_cfg([empty])
    with pytest.raises(ValueError, match="'one' is named 2 times"):
        label_spaces_from_cfg([labelled, {**empty, 'name': 'one'}])
    with pytest.raises(ValueError, match='a list is needed'):
        MultiDataset([labelled, {**empty, 'img_suffixes': '.png'}], pipeline=PLAIN)
