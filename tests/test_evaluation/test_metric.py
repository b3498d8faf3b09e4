import json

import numpy as np
import pytest
import torch
from mmseg.evaluation import IoUMetric
from PIL import Image

from mmseg_multids.evaluation import MultiDatasetIoUMetric, count_pixels
from mmseg_multids.evaluation.iou import harmonic_mean

CLASSES = {'one': ['road', 'sky', 'car'], 'two': ['tree', 'Sky', 'road', 'person']}
META = {'classes': [], 'datasets': {n: {'classes': c, 'palette': [[0, 0, 0]] * len(c)}
                                    for n, c in CLASSES.items()}}


def sample(dataset, seed, predicted=None, labels=None, **meta):
    rng = np.random.default_rng(seed)
    count = len(CLASSES[dataset])
    predicted = rng.integers(0, count, (9, 7)) if predicted is None else np.asarray(predicted)
    if labels is None:
        labels = rng.integers(0, count, (9, 7))
        labels[rng.random((9, 7)) < 0.2] = 255
    return {'dataset': dataset, 'sample_name': f'{dataset}{seed}',
            'pred_sem_seg': {'data': torch.as_tensor(predicted)[None]},
            'gt_sem_seg': {'data': torch.as_tensor(np.asarray(labels))[None]}, **meta}


def evaluate(samples, batch_size=2, **kwargs):
    metric = MultiDatasetIoUMetric(**kwargs)
    metric.dataset_meta = META
    for i in range(0, len(samples), batch_size):
        metric.process({}, samples[i:i + batch_size])
    return metric, metric.evaluate(len(samples))


@pytest.mark.parametrize('metrics', [['mIoU'], ['mIoU', 'mDice', 'mFscore']])
def test_one_dataset_agrees_exactly_with_iou_metric(metrics):
    samples = [sample('two', s) for s in range(5)]
    metric, ours = evaluate(samples, iou_metrics=metrics)
    stock = IoUMetric(iou_metrics=metrics)
    stock.dataset_meta = {'classes': CLASSES['two']}
    stock.process({}, samples)
    expected = stock.evaluate(5)
    assert expected['mIoU'] == ours['two/mIoU'] == ours['mean/mIoU'] == ours['harmonic/mIoU']
    for key in ('mAcc', 'aAcc') + (('mDice', 'mPrecision', 'mRecall') if len(metrics) > 1 else ()):
        assert round(float(expected[key]), 2) == ours[f'two/{key}']


def test_unseen_datasets_have_a_mean_of_their_own():
    samples = [sample('one', 0), sample('two', 1, unseen=True)]
    metric, found = evaluate(samples)
    assert found['seen/mIoU'] == found['one/mIoU'] != found['two/mIoU'] == found['unseen/mIoU']
    assert 'two (unseen)' in metric.tables() and 'mean of the unseen' in metric.tables()
    alone = evaluate(samples[1:])[1]
    assert not {'seen/mIoU', 'unseen/mIoU'} & set(alone)


def test_a_slow_loop_gives_the_same_counts():
    s = sample('two', 3)
    predicted = s['pred_sem_seg']['data'][0].numpy()
    labels = s['gt_sem_seg']['data'][0].numpy()
    counts = count_pixels(predicted, labels, 4)
    for c in range(4):
        pixels = [(p, y) for p, y in zip(predicted.ravel(), labels.ravel()) if y != 255]
        assert counts.intersect[c] == sum(p == y == c for p, y in pixels)
        assert counts.predicted[c] == sum(p == c for p, _ in pixels)
        assert counts.labelled[c] == sum(y == c for _, y in pixels)


@pytest.mark.parametrize('batch_size', [1, 3])
def test_order_and_batch_size_do_not_matter(batch_size):
    samples = [sample(d, s) for s in range(4) for d in CLASSES]
    expected = evaluate(samples)[1]
    shuffled = [samples[i] for i in np.random.default_rng(0).permutation(8)]
    assert evaluate(shuffled, batch_size)[1] == expected
    assert expected['mean/mIoU'] == pytest.approx(
        (expected['one/mIoU'] + expected['two/mIoU']) / 2, abs=0.01)
    assert expected['harmonic/mIoU'] < expected['mean/mIoU']
    assert not any('loss' in key for key in expected)


def test_harmonic_mean():
    assert harmonic_mean([0.5, 1.0]) == pytest.approx(2 / 3)
    assert harmonic_mean([0.0, 1.0]) == 0.0


def test_classes_without_ground_truth_are_left_out_and_counted():
    labels = np.array([[0, 0], [1, 1]])
    metric, result = evaluate([sample('one', 0, predicted=[[0, 2], [1, 1]], labels=labels)])
    assert metric.scores['one'].notes == ['', '', 'no ground truth']
    assert result['one/mIoU'] == 75.0  # IoUMetric would say 50: the third class has a prediction


def test_excluded_classes_stay_in_the_table(tmp_path):
    samples = [sample('one', s) for s in range(3)]
    metric, result = evaluate(samples, exclude={'one': ['car']}, out_file=str(tmp_path / 'r.json'))
    scores = metric.scores['one']
    assert scores.notes[2] == 'left out' and scores.iou[2] > 0
    assert result['one/mIoU'] == round(50 * (scores.iou[0] + scores.iou[1]), 2)
    stored = json.loads((tmp_path / 'r.json').read_text())
    assert stored['metrics'] == result and stored['datasets']['one']['notes'][2] == 'left out'
    with pytest.raises(ValueError, match="no class 'bus'; it has road, sky, car"):
        evaluate(samples, exclude={'one': ['bus']})


def test_frequent_classes_have_a_mean_of_their_own():
    labels = np.zeros((10, 10), int)
    labels[0, 0], labels[5:] = 1, 2
    metric, result = evaluate([sample('one', 0, predicted=np.where(labels == 1, 0, labels),
                                      labels=labels)], frequent_share=0.05)
    assert result['one/mIoU'] < 67 and result['one/mIoU_frequent'] > 98


@pytest.mark.parametrize(('predicted', 'labels', 'words'), [
    ([[0, 3]], [[0, 1]], 'one/one0: predicted id 3 is out of range; allowed are 0 to 2$'),
    ([[0, -1]], [[0, 1]], 'predicted id -1'),
    ([[0, 1]], [[0, 3]], r'label id 3 is out of range; allowed are 0 to 2 and 255 \(ignore\)'),
    ([[0, 1]], [[0], [1]], r'shape \(1, 2\), the labels \(2, 1\)'),
])
def test_ids_out_of_range_are_errors(predicted, labels, words):
    with pytest.raises(ValueError, match=words):
        evaluate([sample('one', 0, predicted=predicted, labels=labels)])


def test_unknown_datasets_and_metrics_are_errors():
    bad = {**sample('one', 0), 'dataset': 'three'}
    with pytest.raises(ValueError, match="'three'; the evaluated ones are one, two"):
        evaluate([bad])
    with pytest.raises(ValueError, match="'mAP'; allowed: mIoU, mDice, mFscore"):
        MultiDatasetIoUMetric(iou_metrics=['mAP'])


def test_predicted_nodes_are_read_through_the_label_space():
    labels = [[0, 0, 1, 2, 255]]
    metric, result = evaluate([sample(
        'one', 0, predicted=[[4, 3, 0, 1, 1]], labels=labels, label_space='unified',
        pred_to_dataset=[1, 2, -1, -1, 0])])
    # one of two road pixels is predicted as a node that is no class of the dataset: wrong
    np.testing.assert_allclose(metric.scores['one'].iou, [0.5, 1.0, 1.0])


def test_predictions_in_another_datasets_classes_are_matched_by_name():
    labels = [[0, 0, 1, 1, 2]]
    metric, result = evaluate([sample(
        'one', 0, predicted=[[2, 3, 1, 0, 0]], labels=labels, label_space='two',
        pred_classes=CLASSES['two'])])
    scores = metric.scores['one']
    assert scores.notes == ['', '', 'not predicted']  # no class of `two` is a car
    np.testing.assert_allclose(scores.iou[:2], [0.5, 0.5])
    assert scores.labelled == [2, 2, 1]


@pytest.mark.parametrize('reduce_zero_label', [False, True])
def test_predictions_are_written_without_collisions(tmp_path, reduce_zero_label):
    samples = [{**sample(d, s), 'sample_name': f'{f}/0', 'reduce_zero_label': reduce_zero_label}
               for s, (d, f) in enumerate([('one', 'a'), ('one', 'b'), ('two', 'a')])]
    _, result = evaluate(samples, output_dir=str(tmp_path), format_only=True)
    assert result == {}
    for s in samples:
        stored = np.array(Image.open(tmp_path / s['dataset'] / f'{s["sample_name"]}.png'))
        np.testing.assert_array_equal(
            stored, s['pred_sem_seg']['data'][0].numpy() + reduce_zero_label)


def test_many_nodes_are_written_with_16_bits(tmp_path):
    s = sample('one', 0, predicted=np.full((9, 7), 300), label_space='unified',
               pred_to_dataset=[0] * 400)
    evaluate([s], output_dir=str(tmp_path))
    assert np.array(Image.open(tmp_path / 'one' / 'one0.png')).max() == 300
