"""Entries that are labelled in another dataset's classes (``labels_of``)."""

import numpy as np
import pytest

from mmseg_multids.datasets import MultiDataset, label_spaces_from_cfg
from mmseg_multids.datasets.metainfo import Borrowed, borrowed_from_cfg

from .test_multi_dataset import PLAIN, write


def entry(name, **keys):
    return {'name': name, 'type': 'BaseSegDataset', 'metainfo': {'classes': ('a', 'b')}, **keys}


def test_they_have_no_label_space_of_their_own():
    entries = [entry('one'), entry('more', labels_of='one'), entry('two'),
               {'name': 'other', 'type': 'BaseSegDataset', 'labels_of': 'one',
                'images_of': 'two'}]
    assert [s.name for s in label_spaces_from_cfg(entries)] == ['one', 'two']
    assert borrowed_from_cfg(entries) == {'more': Borrowed('one', 'one'),
                                          'other': Borrowed('one', 'two')}


@pytest.mark.parametrize(('keys', 'message'), [
    ({'labels_of': 'three'}, r"'more' has labels_of='three'.*one, two"),
    ({'labels_of': 'more'}, r"labels_of='more'.*one, two"),
    ({'labels_of': 'one', 'images_of': 'three'}, "images_of='three'"),
    ({'images_of': 'one'}, 'no labels_of'),
    ({'labels_of': 'one', 'unlabelled': True}, 'remove one of both'),
    ({'labels_of': 'one', 'remap': 'x.json'}, 'remap; remove one'),
])
def test_entries_that_cannot_be_are_refused(keys, message):
    with pytest.raises(ValueError, match=message):
        label_spaces_from_cfg([entry('one'), entry('more', **keys), entry('two')])


def test_names_are_unique_and_fit():
    with pytest.raises(ValueError, match="'one' is named 2 times"):
        label_spaces_from_cfg([entry('one'), entry('one', labels_of='one')])
    with pytest.raises(ValueError, match='only letters'):
        label_spaces_from_cfg([entry('one'), entry('one/more', labels_of='one')])


def test_samples_have_the_entry_name_and_are_checked_by_the_classes(tmp_path):
    one = write(tmp_path, 'one', 3, 3)
    more = {**write(tmp_path, 'more', 2, 3), 'metainfo': one['metainfo'], 'labels_of': 'one'}
    images = MultiDataset([one, more], pipeline=PLAIN)
    assert images.names == ('one', 'more') and images.sizes == {'one': 3, 'more': 2}
    sample = images[4]['data_samples']
    assert sample.metainfo['dataset'] == 'more'
    assert images.metainfo['datasets']['more'] == images.metainfo['datasets']['one']
    with pytest.raises(ValueError, match='dataset more: label map m.png holds the id 3; allowed'):
        images.check_labels(np.array([[3]], np.uint8), 'more', {'seg_map_path': 'm.png'})


def test_other_classes_are_refused(tmp_path):
    one = write(tmp_path, 'one', 3, 3)
    more = {**write(tmp_path, 'more', 2, 2), 'labels_of': 'one'}
    with pytest.raises(ValueError, match="'more' has labels_of='one' but other classes"):
        MultiDataset([one, more], pipeline=PLAIN)


def test_alone_they_have_their_own_classes(tmp_path):
    more = {**write(tmp_path, 'more', 2, 2), 'labels_of': 'one'}
    images = MultiDataset([more], pipeline=PLAIN)
    assert images.names == ('more',) and images.spaces['more'].classes == ('a', 'b')
