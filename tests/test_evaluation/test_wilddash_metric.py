import json
import logging

import numpy as np
import pytest

from mmseg_multids.datasets import MultiDataset
from mmseg_multids.evaluation import WildDashMetric, count_pixels_with_void
from mmseg_multids.evaluation import wilddash_metric as module
from mmseg_multids.label_spaces import LabelSpace, match_by_name, unify_by_name

from .test_metric import META, sample

NODES = [0, 1, 2, -1]  # road, sky and car of `one`; the last node is void


def node_sample(seed, predicted, labels, **meta):
    return sample('one', seed, predicted=[predicted], labels=[labels], label_space='unified',
                  pred_to_dataset=NODES, **meta)


POSITIVE = ([0, 0, 3, 1, 1, 1, 2], [0, 0, 0, 0, 1, 1, 255])
NEGATIVE = ([3, 3, 0, 3, 2, 1], [0, 1, 1, 2, 2, 255])


def evaluate(samples, **kwargs):
    metric = WildDashMetric(**kwargs)
    metric.dataset_meta = META
    for one in samples:
        metric.process({}, [one])
    return metric, metric.evaluate(len(samples))


@pytest.mark.parametrize('negative', [False, True])
@pytest.mark.parametrize('seed', range(10))
def test_a_slow_loop_gives_the_same_counts(seed, negative):
    rng = np.random.default_rng(seed)
    num_classes, num_ids = int(rng.integers(2, 6)), int(rng.integers(1, 9))
    table = rng.integers(-1, num_classes, num_ids)
    predicted = rng.integers(0, num_ids, (9, 11))
    labels = np.where(rng.random((9, 11)) < 0.2, 255, rng.integers(0, num_classes, (9, 11)))
    counts = count_pixels_with_void(predicted, labels, num_classes, pred_to_dataset=table,
                                    negative=negative)
    intersect, found, labelled, unreachable = (np.zeros(num_classes, int) for _ in range(4))
    for p, y in zip(table[predicted].ravel(), labels.ravel()):
        if y == 255:
            continue
        if y not in table:
            unreachable[y] += 1
            continue
        if negative and p < 0:
            p = y
        labelled[y] += 1
        intersect[y] += p == y
        if p >= 0:
            found[p] += 1
    for got, expected in zip(counts, (intersect, found, labelled, unreachable)):
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == np.int64


def test_a_small_set_by_hand(tmp_path):
    metric, result = evaluate([node_sample(0, *POSITIVE), node_sample(1, *NEGATIVE, negative=True)],
                              out_file=str(tmp_path / 'r.json'))
    # positive: road 2 / 4 (one void, one sky), sky 2 / 3; no car
    assert result['one/mIoU'] == round(50 * (1 / 2 + 2 / 3), 2)
    # negative: road 1 / 2 (void accepted; one sky called road), sky 1 / 2, car 2 / 2
    assert result['one/negative_mIoU'] == round(100 / 3 * (1 / 2 + 1 / 2 + 1), 2)
    # together: road 3 / 6, sky 3 / 5, car 2 / 2
    assert result['one/meta_avg'] == result['mean/meta_avg'] == 70.0
    text = metric.tables()
    assert ('one: 1 positive and 1 negative images; class mIoU 58.33, negative mIoU 66.67, meta '
            'average 70.00') in text
    row = next(line for line in text.splitlines() if line.startswith('| car') and '100.00' in line)
    assert [cell.strip() for cell in row.split('|')[1:-1]] == [
        'car', '-', '100.00', '100.00', '18.18', '100.00']
    stored = json.loads((tmp_path / 'r.json').read_text())
    assert stored['metrics'] == result
    assert stored['datasets']['one']['iou'][:2] == pytest.approx([1 / 2, 2 / 3])
    assert stored['negative']['one']['iou'] == pytest.approx([1 / 2, 1 / 2, 1])
    assert stored['all']['one']['iou'] == pytest.approx([1 / 2, 3 / 5, 1])


def test_order_does_not_matter_and_excluded_classes_are_in_no_mean():
    samples = [node_sample(0, *POSITIVE), node_sample(1, *NEGATIVE, negative=True)]
    assert evaluate(samples)[1] == evaluate(samples[::-1])[1]
    _, result = evaluate(samples, exclude={'one': ['car']})
    assert result['one/negative_mIoU'] == 50.0 and result['one/meta_avg'] == 55.0


def test_without_negative_images_it_is_the_usual_score(monkeypatch):
    said = []
    monkeypatch.setattr(module, 'print_log', lambda text, logger=None, level=logging.INFO:
                        said.append((level, text)))
    _, result = evaluate([node_sample(0, *POSITIVE), node_sample(1, *NEGATIVE, negative=False)])
    assert result['one/meta_avg'] == result['one/mIoU']
    assert np.isnan(result['one/negative_mIoU'])
    assert said == [(logging.WARNING, said[0][1])] and 'one has no negative images' in said[0][1]


def test_negative_images_alone():
    metric, result = evaluate([node_sample(1, *NEGATIVE, negative=True)])
    assert result['one/negative_mIoU'] == result['one/meta_avg'] == 66.67
    assert 'one/mIoU' not in result and '0 positive and 1 negative' in metric.tables()


def test_several_datasets_have_means():
    other = sample('two', 0, predicted=[[0, 1]], labels=[[0, 1]], label_space='unified',
                   pred_to_dataset=[0, 1, 2, 3], negative=True)
    _, result = evaluate([node_sample(0, *POSITIVE), node_sample(1, *NEGATIVE, negative=True),
                          other])
    assert result['two/meta_avg'] == 100.0 and result['mean/meta_avg'] == 85.0
    assert result['mean/negative_mIoU'] == round(50 * (2 / 3 + 1), 2)


def test_predictions_in_other_label_spaces_are_refused():
    plain = sample('one', 0)
    with pytest.raises(ValueError, match='one/one0 was predicted in the classes of one.*'
                                         "--label-space unified.*require_unified=False"):
        evaluate([plain])
    _, result = evaluate([plain, {**plain, 'negative': True}], require_unified=False)
    assert result['one/negative_mIoU'] == result['one/mIoU'] == result['one/meta_avg']


def test_maps_alone_can_be_written(tmp_path):
    _, result = evaluate([node_sample(0, *POSITIVE)], output_dir=str(tmp_path), format_only=True)
    assert result == {} and (tmp_path / 'one' / 'one0.png').is_file()


def test_toyworld():
    """Rooms among streets: what a model says of them, void or a street's class, decides."""
    data = MultiDataset(
        [{'name': 'wild', 'type': 'ToyWorldDataset', 'view': 'wild', 'split': 'val', 'size': 40,
          'image_size': (32, 32)}], pipeline=[{'type': 'RenderToyWorld'},
                                              {'type': 'PackSegInputs'}], test_mode=True)
    space = data.spaces['wild']
    trained = unify_by_name([LabelSpace('city', space.classes),
                             LabelSpace('room', ['floor', 'wall', 'person'])])
    table = np.asarray(match_by_name(LabelSpace('unified', trained.nodes), space))
    node_of_class = np.array([*(int(np.flatnonzero(table == c)[0]) for c in range(len(space)))])
    void, road = trained.nodes.index('floor'), trained.nodes.index('road')
    rooms = 0

    def score(answer):
        nonlocal rooms
        metric = WildDashMetric()
        metric.dataset_meta = data.metainfo
        rooms = 0
        for i in range(len(data)):
            one = data[i]['data_samples'].to_dict()
            labels = one['gt_sem_seg']['data'].numpy()
            rooms += one['negative']
            nodes = node_of_class[np.where(labels == 255, 0, labels)]
            if one['negative']:
                nodes = np.full_like(nodes, answer)
            metric.process({}, [{**one, 'pred_sem_seg': {'data': nodes}, 'label_space': 'unified',
                                 'pred_classes': list(trained.nodes)}])
        return metric.evaluate(len(data))

    wary, rash = score(void), score(road)
    assert 2 <= rooms <= 16
    assert wary['wild/mIoU'] == rash['wild/mIoU'] == 100.0
    assert wary['wild/negative_mIoU'] == wary['wild/meta_avg'] == 100.0
    assert rash['wild/negative_mIoU'] == 0.0
    assert 50 < rash['wild/meta_avg'] < 100
