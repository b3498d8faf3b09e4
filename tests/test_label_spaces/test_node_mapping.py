"""The file that says what nodes stand for in another dataset."""

import json

import numpy as np
import pytest

from mmseg_multids.label_spaces import (
    LabelSpace,
    NodeMapping,
    format_node_mapping,
    unify_by_name,
)

NODES = unify_by_name([LabelSpace('a', ['road', 'car', 'sky', 'cow'])])
OTHER = LabelSpace('b', ['ground', 'vehicle', 'bird'])


def searched():
    return NodeMapping.between(NODES, OTHER, np.array([0, 1, -1, 0]),
                               np.array([0.712345, 0.5, np.nan]),
                               np.array([0.161, 0.0, np.nan, 0.7]))


def test_a_file_holds_what_decided(tmp_path):
    mapping = searched()
    mapping.to_json(tmp_path / 'm.json')
    data = json.loads((tmp_path / 'm.json').read_text())
    assert data['iou_of_class'] == {'ground': 0.7123, 'vehicle': 0.5, 'bird': None}
    assert data['iou_without_node'] == {'road': 0.161, 'car': 0.0, 'cow': 0.7}
    assert NodeMapping.from_json(tmp_path / 'm.json') == mapping
    assert mapping.of(NODES, OTHER).tolist() == [0, 1, -1, 0]


def test_a_file_without_scores_is_read_and_written_as_before(tmp_path):
    old = {'dataset': 'b', 'class_of_node': {'road': 'ground', 'car': None, 'sky': None,
                                             'cow': 'bird'}}
    (tmp_path / 'old.json').write_text(json.dumps(old))
    mapping = NodeMapping.from_json(tmp_path / 'old.json')
    assert mapping.of(NODES, OTHER).tolist() == [0, -1, -1, 2]
    mapping.to_json(tmp_path / 'new.json')
    assert json.loads((tmp_path / 'new.json').read_text()) == old
    assert format_node_mapping(mapping).splitlines() == [
        'road -> ground', 'car -> (void)', 'sky -> (void)', 'cow -> bird']


@pytest.mark.parametrize('scores', [[0.5], {'ground': 'high'}, 0.5])
def test_scores_that_are_none_are_refused(tmp_path, scores):
    (tmp_path / 'm.json').write_text(json.dumps(
        {'dataset': 'b', 'class_of_node': {'road': None}, 'iou_of_class': scores}))
    with pytest.raises(ValueError, match='iou_of_class must be an object of numbers'):
        NodeMapping.from_json(tmp_path / 'm.json')


def test_a_mapping_in_words():
    text = format_node_mapping(searched())
    assert text.splitlines() == [
        'road -> ground  (IoU 71.2, without this node 16.1)',
        'car -> vehicle  (IoU 50.0, without this node 0.0)',
        'sky -> (void)',
        'cow -> ground  (IoU 71.2, without this node 70.0)',
        'not in the images of the search: bird',
        'mean IoU on the images of the search: 60.6']
    lacking = NodeMapping.between(NODES, OTHER, np.array([0, -1, -1, -1]),
                                  np.array([0.4, 0.0, 0.0]), np.array([0.0, *[np.nan] * 3]))
    assert 'no node stands for (IoU 0): vehicle, bird' in format_node_mapping(lacking)
