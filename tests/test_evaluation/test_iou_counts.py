import inspect
import json
import logging
import time

import numpy as np
import pytest
import torch
from mmseg.evaluation import IoUMetric
from PIL import Image

from mmseg_multids.evaluation import (
    MultiDatasetIoUMetric,
    count_pixels,
    format_tables,
    score_dataset,
)
from mmseg_multids.evaluation.iou import harmonic_mean

from .test_metric import CLASSES, META, evaluate, sample


def random_pair(rng, num_classes, num_ids=None, shape=(13, 17)):
    return (rng.integers(0, num_ids or num_classes, shape),
            np.where(rng.random(shape) < 0.2, 255, rng.integers(0, num_classes, shape)))


@pytest.mark.parametrize('seed', range(20))
def test_translated_counts_agree_with_a_slow_loop(seed):
    rng = np.random.default_rng(seed)
    num_classes, num_ids = int(rng.integers(2, 7)), int(rng.integers(1, 9))
    predicted, labels = random_pair(rng, num_classes, num_ids)
    table = rng.integers(-1, num_classes, num_ids)
    counts = count_pixels(predicted, labels, num_classes, pred_to_dataset=table)
    intersect, found, labelled, unreachable = (np.zeros(num_classes, int) for _ in range(4))
    for p, y in zip(table[predicted].ravel(), labels.ravel()):
        if y == 255:
            continue
        if y not in table:
            unreachable[y] += 1
            continue
        labelled[y] += 1
        intersect[y] += p == y
        if p >= 0:
            found[p] += 1
    for got, expected in zip(counts, (intersect, found, labelled, unreachable)):
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == np.int64


@pytest.mark.parametrize('metrics', [['mIoU'], ['mDice'], ['mFscore'],
                                     ['mIoU', 'mDice', 'mFscore']])
@pytest.mark.parametrize('seed', range(15))
def test_every_figure_is_that_of_iou_metric(seed, metrics):
    rng = np.random.default_rng(seed)
    samples = []
    for s in range(3):
        predicted, labels = random_pair(rng, 4)
        predicted[predicted == seed % 4] = labels[0, 0] = 0  # a class that is never predicted
        labels.flat[:4] = range(4)
        samples.append(sample('two', s, predicted=predicted, labels=labels))
    metric, ours = evaluate(samples, iou_metrics=metrics, classwise=True)
    stock = IoUMetric(iou_metrics=metrics)
    stock.dataset_meta = {'classes': CLASSES['two']}
    stock.process({}, samples)
    areas = [sum(parts) for parts in zip(*stock.results)]
    for key, value in stock.evaluate(3).items():
        assert ours[f'two/{key}'] == round(float(value), 2), key
    theirs = IoUMetric.total_area_to_metrics(*areas, ['mIoU', 'mFscore', 'mDice'])
    scores = metric.scores['two']
    for ours_key, key in (('iou', 'IoU'), ('acc', 'Acc'), ('dice', 'Dice'), ('fscore', 'Fscore'),
                          ('precision', 'Precision')):
        np.testing.assert_array_equal(np.float32(getattr(scores, ours_key)), theirs[key])


def test_where_a_class_has_no_ground_truth_iou_metric_says_less():
    s = sample('one', 0, predicted=[[0, 2], [1, 1]], labels=[[0, 0], [1, 1]])
    stock = IoUMetric()
    stock.dataset_meta = {'classes': CLASSES['one']}
    stock.process({}, [s])
    assert float(stock.evaluate(1)['mIoU']) == 50.0
    metric, ours = evaluate([s])
    assert ours['one/mIoU'] == 75.0
    text = format_tables(metric.scores)
    assert '2 of 3 classes count; 1 of 3 classes have no ground truth' in text


def test_arrays_and_tensors_give_the_same():
    s = sample('two', 1)
    arrays = {**s, 'pred_sem_seg': {'data': s['pred_sem_seg']['data'].numpy().astype(np.int32)},
              'gt_sem_seg': {'data': s['gt_sem_seg']['data'].numpy().astype(np.uint8)}}
    small = {**s, 'pred_sem_seg': {'data': s['pred_sem_seg']['data'].to(torch.uint8)}}
    assert evaluate([s])[1] == evaluate([arrays])[1] == evaluate([small])[1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
def test_tensors_on_a_gpu_give_the_same():
    s = sample('two', 1)
    moved = {**s, **{k: {'data': s[k]['data'].cuda()} for k in ('pred_sem_seg', 'gt_sem_seg')}}
    assert evaluate([s])[1] == evaluate([moved])[1]


def test_a_large_image_is_counted_fast():
    rng = np.random.default_rng(0)
    predicted, labels = random_pair(rng, 19, shape=(1024, 2048))
    times = []
    for _ in range(5):
        start = time.perf_counter()
        count_pixels(predicted, labels, 19, pred_to_dataset=range(19))
        times.append(time.perf_counter() - start)
    assert min(times) < 0.25  # 0.05 on an idle core


def test_ranks_with_padded_samples_give_the_figures_of_one_process():
    samples = [sample(d, s) for s in range(3) for d in CLASSES][:5]
    expected = evaluate(samples)[1]
    ranks = [samples[0::2], samples[1::2] + samples[:1]]  # the sampler repeats the first image
    collected = []
    for part in ranks:
        metric = MultiDatasetIoUMetric()
        metric.dataset_meta = META
        metric.process({}, part)
        collected.append(metric.results)
        assert len(metric.results) == len(part)
    merged = [r for pair in zip(*collected) for r in pair][:len(samples)]
    metric = MultiDatasetIoUMetric()
    metric.dataset_meta = META
    assert metric.compute_metrics(merged) == expected


def test_a_dataset_without_labels_counts_in_no_mean(tmp_path, recwarn, caplog):
    empty = sample('one', 0, predicted=[[0, 1]], labels=[[255, 255]])
    full = sample('two', 0)
    path = tmp_path / 'deep' / 'r.json'
    _, result = evaluate([empty, full], out_file=str(path), frequent_share=0.1)
    for kind in ('mIoU', 'mAcc', 'aAcc'):
        assert np.isnan(result[f'one/{kind}'])
        assert result[f'mean/{kind}'] == result[f'two/{kind}']
    assert result['harmonic/mIoU'] == result['two/mIoU']
    assert not [w for w in recwarn if issubclass(w.category, RuntimeWarning)]

    def refuse(constant):
        raise AssertionError(f'{constant} is no JSON')
    stored = json.loads(path.read_text(), parse_constant=refuse)
    assert stored['metrics']['one/mIoU'] is None and stored['datasets']['one']['aacc'] is None
    assert [p.name for p in path.parent.iterdir()] == ['r.json']


def test_the_file_holds_what_the_table_shows(tmp_path):
    samples = [sample(d, s) for s in range(2) for d in CLASSES]
    metric, result = evaluate(samples, out_file=str(tmp_path / 'r.json'))
    stored = json.loads((tmp_path / 'r.json').read_text())
    assert stored['metrics'] == result
    two = stored['datasets']['two']
    assert two['classes'] == CLASSES['two'] and two['images'] == 2
    assert sum(two['share']) == pytest.approx(1)
    assert sum(two['labelled']) == sum(int((s['gt_sem_seg']['data'] != 255).sum())
                                       for s in samples if s['dataset'] == 'two')
    for key in ('iou', 'acc', 'notes'):
        assert len(two[key]) == 4


def test_frequent_means_strictly_above_and_the_number_is_said():
    labels = np.array([[0] * 10, [1] * 8 + [2] * 2])
    metric, result = evaluate([sample('one', 0, predicted=labels, labels=labels)],
                              frequent_share=0.1)
    assert metric.scores['one'].num_frequent(0.1) == 2  # a share of exactly 0.1 is not above it
    assert result['one/mIoU_frequent'] == result['mean/mIoU_frequent'] == 100.0
    assert '100.00 (2 of 3)' in format_tables(metric.scores, 0.1)


def test_no_key_says_loss(monkeypatch):
    monkeypatch.setitem(META['datasets'], 'one',
                        {'classes': ['road', 'flOSS', 'bloss/om'], 'palette': None})
    labels = [[0, 1, 2, 2]]
    _, result = evaluate([sample('one', 0, predicted=labels, labels=labels)], classwise=True)
    assert not any('loss' in key.lower() for key in result)
    assert result['one/IoU.road'] == result['one/IoU.1'] == result['one/IoU.2'] == 100.0


def test_per_class_keys_leave_out_what_is_not_defined():
    labels = [[0, 1, 1, 1]]
    _, result = evaluate([sample('one', 0, predicted=labels, labels=labels)], classwise=True)
    assert 'one/IoU.sky' in result and 'one/IoU.car' not in result


@pytest.mark.parametrize(('values', 'expected'), [
    ([0.5, np.nan], 0.5), ([0.0, np.nan], 0.0), ([0.2, 0.3, 0.6], 3 / (5 + 10 / 3 + 5 / 3))])
def test_harmonic_mean_leaves_out_what_is_not_defined(values, expected):
    assert harmonic_mean(values) == pytest.approx(expected)
    assert np.isnan(harmonic_mean([np.nan]))


@pytest.mark.parametrize(('change', 'words'), [
    ({'dataset': None}, 'has no `dataset`.*MultiDataset'),
    ({'gt_sem_seg': None}, 'one/one0: no ground truth.*format_only'),
    ({'pred_to_dataset': [0, 1, 3]}, 'one/one0: pred_to_dataset.*3.*-1 to 2'),
    ({'pred_to_dataset': [0, 1]}, 'predicted id 2 is out of range; allowed are 0 to 1$'),
])
def test_bad_samples_are_named(change, words):
    s = {**sample('one', 0, predicted=[[0, 2]], labels=[[0, 1]]), **change}
    with pytest.raises(ValueError, match=words):
        evaluate([{k: v for k, v in s.items() if v is not None}])


def test_ids_out_of_range_under_ignored_pixels_do_no_harm():
    counts = count_pixels(np.array([[0, 77]]), np.array([[0, 255]]), 2)
    assert counts.predicted.tolist() == [1, 0]


def test_misspelt_arguments_are_refused():
    with pytest.raises(TypeError, match='excludes'):
        MultiDatasetIoUMetric(excludes={'one': ['car']})
    with pytest.raises(ValueError, match="exclude of 'one' is the text 'car'"):
        MultiDatasetIoUMetric(exclude={'one': 'car'})
    with pytest.raises(ValueError, match='frequent_share is 5'):
        MultiDatasetIoUMetric(frequent_share=5)
    # MMSegmentation's own tools/test.py sets this together with output_dir
    assert 'keep_results' in inspect.signature(MultiDatasetIoUMetric).parameters


def test_excluding_classes_of_a_dataset_that_is_not_evaluated_is_said(monkeypatch):
    said = []
    monkeypatch.setattr('mmseg_multids.evaluation.multi_dataset_metric.print_log',
                        lambda text, logger=None, level=logging.INFO: said.append((level, text)))
    evaluate([sample('one', 0)], exclude={'onne': ['car']})
    assert any(level == logging.WARNING and "'onne'" in text and 'one, two' in text
               for level, text in said)
    assert any('no samples of two' in text for _, text in said)


@pytest.mark.parametrize('name', ['../escaped', '/absolute', 'a/../../b'])
def test_predictions_stay_in_their_folder(tmp_path, name):
    with pytest.raises(ValueError, match='sample_name'):
        evaluate([{**sample('one', 0), 'sample_name': name}], output_dir=str(tmp_path / 'out'))
    assert not [p for p in tmp_path.rglob('*.png')]


def test_all_files_of_a_dataset_have_the_same_depth(tmp_path):
    samples = [sample('one', s, predicted=np.full((9, 7), value), label_space='unified',
                      pred_to_dataset=[0] * 400) for s, value in enumerate([3, 300])]
    evaluate(samples, output_dir=str(tmp_path))
    modes = {Image.open(tmp_path / 'one' / f'one{s}.png').mode for s in range(2)}
    assert len(modes) == 1
    assert [np.array(Image.open(tmp_path / 'one' / f'one{s}.png')).max() for s in range(2)] == [
        3, 300]


def test_undoing_reduce_zero_label_does_not_wrap(tmp_path, monkeypatch):
    monkeypatch.setitem(META['datasets'], 'one', {'classes': [f'c{i}' for i in range(256)]})
    s = sample('one', 0, predicted=np.array([[0, 255]], dtype=np.uint8), labels=[[0, 0]],
               reduce_zero_label=True)
    evaluate([s], output_dir=str(tmp_path), format_only=True)
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / 'one' / 'one0.png')), [[1, 256]])


def test_tables_show_the_asked_metrics_and_which_classes_took_part():
    counts = count_pixels(np.array([[0, 1, 1]]), np.array([[0, 1, 2]]), 3, pred_to_dataset=[0, 1])
    scores = {'one': score_dataset([counts], CLASSES['one'], exclude=['sky'])}
    text = format_tables(scores, iou_metrics=['mIoU', 'mFscore'])
    assert 'Fscore' in text and 'Precision' in text and 'Dice' not in text
    assert '1 of 3 classes count' in text
    assert '1 of 3 classes are left out (sky)' in text
    assert '1 of 3 classes cannot be predicted (car)' in text
    assert 'harmonic mean' in text
    assert 'loss' not in text


def test_tables_of_nothing_do_not_fail():
    assert 'dataset' in format_tables({})
