import dataclasses

import numpy as np
import pytest
from PIL import Image

from mmseg_multids.models import MultiLabelPrediction
from mmseg_multids.visualization import draw_multi_label
from mmseg_multids.visualization.multi_label import _patches, colour_scores

PALETTE = ((255, 0, 0), (0, 200, 0), (0, 0, 100), (250, 250, 250))


def prediction(shape=(8, 12), count=4, **changes):
    own = np.zeros(shape, int)
    own[:, 6:] = 1
    other = np.full(shape, 2)
    other[4:] = 3
    score = np.linspace(0, 1, shape[1], dtype=np.float32)[None].repeat(shape[0], 0)
    return dataclasses.replace(MultiLabelPrediction(
        dataset='one', own=own, own_node=own, other=other, other_score=score,
        combined=np.where(score > 0.5, other, own), threshold=0.5, classes=('road', 'sky'),
        nodes=tuple(f'node {i}' for i in range(count)),
        palette=PALETTE * (count // 4)), **changes)


def test_scores_are_the_strength_of_the_colour():
    nodes = np.array([[0, 1, 3, -1]])
    scores = np.array([[0.0, 0.5, 1.0, 0.9]])
    assert colour_scores(nodes, scores, PALETTE).tolist() == [
        [[0, 0, 0], [0, 100, 0], [250, 250, 250], [0, 0, 0]]]


def test_legends_name_what_is_seen_most():
    result = prediction(shape=(40, 40), count=20)
    nodes = np.arange(1600).reshape(40, 40) % 20
    nodes[nodes == 3] = -1
    nodes[nodes == 5] = 4
    labels = [patch.get_label() for patch in _patches(nodes, result, most=2)]
    assert 'node 4' in labels and len(labels) == 3 and labels[-1] == 'and 16 more'
    rare = np.full((40, 40), 7)
    rare[0, :3] = 9  # 0.19 % of the image
    assert [patch.get_label() for patch in _patches(rare, result, most=9)] == ['node 7']
    assert [patch.get_label() for patch in _patches(nodes[:0], result, most=9)] == ['none']


def test_the_picture_shows_all_panels(tmp_path):
    image = np.full((8, 12, 3), (10, 20, 30), dtype=np.uint8)
    alone = prediction(other=np.full((8, 12), -1), other_score=np.zeros((8, 12), np.float32),
                       combined=prediction().own_node, dataset='two')
    draw_multi_label([(image, prediction())], tmp_path / 'one.png')
    draw_multi_label([(image, prediction()), (image, alone)], tmp_path / 'deep' / 'two.png')
    first = np.array(Image.open(tmp_path / 'one.png').convert('RGB'))
    second = np.array(Image.open(tmp_path / 'deep' / 'two.png').convert('RGB'))
    assert second.shape[0] > 1.5 * first.shape[0]
    shown = {tuple(colour) for colour in np.unique(first.reshape(-1, 3), axis=0).tolist()}
    assert {(10, 20, 30), *PALETTE} <= shown
    assert not list(tmp_path.rglob('*.tmp'))


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(ValueError, match='no image to draw'):
        draw_multi_label([], tmp_path / 'x.png')
    with pytest.raises(ValueError, match=r'\(4, 4\), its prediction \(8, 12\)'):
        draw_multi_label([(np.zeros((4, 4, 3), np.uint8), prediction())], tmp_path / 'x.png')
