"""Training on the images that a list names."""

import json

import numpy as np
import pytest
import torch

from mmseg_multids.datasets import LabelMaps, MultiDataset, MultiDatasetSampler
from mmseg_multids.datasets.subsets import hash_of, read_subset, write_subset

from .test_multi_dataset import PLAIN, write

CITY = {'name': 'city', 'type': 'ToyWorldDataset', 'view': 'city', 'image_size': (24, 24),
        'splits': {'train': {'split': 'train', 'size': 9}, 'val': {'split': 'val', 'size': 4}}}
DRAWN = [{'type': 'RenderToyWorld'}, {'type': 'PackSegInputs'}]


def names(images):
    return [images[i]['data_samples'].metainfo['sample_name'] for i in range(len(images))]


@pytest.mark.parametrize('serialize', [True, False])
def test_files_are_restricted_in_the_datasets_order(tmp_path, serialize):
    entries = [write(tmp_path, 'one', 12, 3, subset=str(tmp_path / 'few.txt'),
                     serialize_data=serialize), write(tmp_path, 'two', 3, 2)]
    write_subset(tmp_path / 'few.txt', 'one', None, ['7', '10', '2'])
    few = MultiDataset(entries, pipeline=PLAIN)
    entries[0].pop('subset')
    whole = MultiDataset(entries, pipeline=PLAIN)
    assert few.sizes == {'one': 3, 'two': 3} and len(few) == 6
    assert names(few) == ['10', '2', '7', '0', '1', '2']  # as a folder is sorted
    for i, name in enumerate(names(few)[:3]):
        same = whole[names(whole).index(name)]
        assert torch.equal(few[i]['inputs'], same['inputs'])
        assert torch.equal(few[i]['data_samples'].gt_sem_seg.data,
                           same['data_samples'].gt_sem_seg.data)
    sampler = MultiDatasetSampler(few, seed=0, plan={'type': 'concat'})
    drawn = {(r.dataset, r.index) for r, _ in zip(sampler, range(6))}
    assert drawn == {(name, i) for name in ('one', 'two') for i in range(3)}


def test_drawn_scenes_are_restricted(tmp_path):
    write_subset(tmp_path / 'few.txt', 'city', 'train', ['000007', '000001'])
    few = MultiDataset([{**CITY, 'subset': str(tmp_path / 'few.txt')}], 'train', DRAWN)
    whole = MultiDataset([CITY], 'train', DRAWN)
    assert names(few) == ['000001', '000007']
    maps = LabelMaps(few, 'city')
    for i, place in enumerate((1, 7)):
        assert torch.equal(few[i]['inputs'], whole[place]['inputs'])
        np.testing.assert_array_equal(
            maps[i], whole[place]['data_samples'].gt_sem_seg.data[0].numpy())
        np.testing.assert_array_equal(few.datasets['city'].leaf_map(i),
                                      whole.datasets['city'].leaf_map(place))


def test_the_list_of_one_split(tmp_path):
    file = str(tmp_path / 'few.txt')
    write_subset(file, 'city', 'train', ['000002'])
    entry = {**CITY, 'subset': {'train': file}}
    assert MultiDataset([entry], 'train', DRAWN).sizes == {'city': 1}
    assert MultiDataset([entry], 'val', DRAWN).sizes == {'city': 4}
    entry = {**CITY, 'splits': {**CITY['splits'], 'train': {**CITY['splits']['train'],
                                                            'subset': file}}}
    assert MultiDataset([entry], 'train', DRAWN).sizes == {'city': 1}
    assert MultiDataset([entry], 'val', DRAWN).sizes == {'city': 4}
    with pytest.raises(ValueError, match=r"city: .*few.txt is of split 'train', this is 'val'; "
                                         r'to restrict one split write subset=dict\(train=FILE\)'):
        MultiDataset([{**CITY, 'subset': file}], 'val', DRAWN)
    with pytest.raises(ValueError, match="'city' has a subset of split 'trian'; its splits are "
                                         'train, val'):
        MultiDataset([{**CITY, 'subset': {'trian': file}}], 'train', DRAWN)


def test_a_list_of_ones_own_lies_beside_the_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entry = write(tmp_path, 'one', 4, 3, subset='own.txt')
    (tmp_path / 'one' / 'own.txt').write_text('# mine\n\n3\n0\n')
    assert names(MultiDataset([entry], pipeline=PLAIN)) == ['0', '3']
    (tmp_path / 'own.txt').write_text('1\n')  # the working directory comes first
    assert names(MultiDataset([entry], pipeline=PLAIN)) == ['1']


def test_negatives_and_labels_left_out_go_along(tmp_path):
    entry = write(tmp_path, 'one', 4, 3, negatives='negatives.txt', subset='own.txt')
    (tmp_path / 'one' / 'negatives.txt').write_text('0\n2\n')
    (tmp_path / 'one' / 'own.txt').write_text('1\n2\n3\n')
    few = MultiDataset([entry], pipeline=PLAIN)
    assert [few[i]['data_samples'].metainfo['negative'] for i in range(3)] == [False, True, False]
    (tmp_path / 'one' / 'own.txt').write_text('3\n')  # none of the negatives: nothing is wrong
    bare = MultiDataset([{**entry, 'unlabelled': True}, write(tmp_path, 'two', 1, 2)],
                        pipeline=PLAIN)
    assert bare.sizes == {'one': 1, 'two': 1}
    assert (bare[0]['data_samples'].gt_sem_seg.data == 255).all()


@pytest.mark.parametrize(('text', 'words'), [
    ('0\nmoon\nsun\n', r"one: list of images .*own.txt names 'moon', which is no image of it "
                       r"\(2 of 3 names are none\); images are called '0'"),
    ('0\n1\n0\n', "own.txt names '0' twice"),
    ('# nothing\n', 'own.txt names no image'),
])
def test_refusals(tmp_path, text, words):
    entry = write(tmp_path, 'one', 2, 3, subset='own.txt')
    (tmp_path / 'one' / 'own.txt').write_text(text)
    with pytest.raises(ValueError, match=words):
        MultiDataset([entry], pipeline=PLAIN)


def test_a_missing_file_is_named(tmp_path):
    entry = write(tmp_path, 'one', 2, 3, subset='own.txt')
    with pytest.raises(FileNotFoundError, match='own.txt does not exist; looked for own.txt and '
                                                '.*one/own.txt'):
        MultiDataset([entry], pipeline=PLAIN)


def test_the_header_and_a_changed_list(tmp_path):
    file = tmp_path / 'deep' / 'few.txt'
    write_subset(file, 'city', 'train', ['b', 'a/c'], shots=10)
    subset = read_subset(file)
    assert subset.names == ('b', 'a/c') and subset.about['hash'] == hash_of(['b', 'a/c'])
    lines = file.read_text().splitlines()
    assert json.loads(lines[0][2:])['shots'] == 10 and lines[1:] == ['b', 'a/c']
    assert {k: subset.about[k] for k in ('dataset', 'split', 'images')} == {
        'dataset': 'city', 'split': 'train', 'images': 2}
    file.write_text('\n'.join([lines[0], 'b']))
    with pytest.raises(ValueError, match='few.txt is not as it was written'):
        read_subset(file)
