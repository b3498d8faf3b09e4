"""Per-class IoU of several runs."""

import json

import numpy as np
import pytest

from mmseg_multids.evaluation import MultiDatasetIoUMetric, count_pixels, score_dataset
from mmseg_multids.visualization import class_iou as ci

CLASSES = {'city': ['road', 'traffic_light', 'car'], 'asia': ['Traffic Light', 'cow', 'curb']}


def scores(seed, dataset='city', **kwargs):
    """Scores of a random prediction."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, (9, 9))
    predicted = np.where(rng.random((9, 9)) < 0.5, labels, rng.integers(0, 3, (9, 9)))
    return score_dataset([count_pixels(predicted, labels, 3)], CLASSES[dataset], **kwargs)


def work_dir(path, **by_dataset):
    """What SegmentationReportHook leaves."""
    (path / 'report').mkdir(parents=True)
    (path / 'report' / 'scores.json').write_text(
        json.dumps({name: score.to_dict() for name, score in by_dataset.items()}))
    return path


def test_scores_are_read_from_work_dirs_and_files(tmp_path):
    score = scores(0)
    first = work_dir(tmp_path / 'first', city=score)
    runs = ci.load_runs([first, f'b={first / "report" / "scores.json"}',
                         first / 'report' / 'scores.json'][:2])
    assert list(runs) == ['first', 'b']
    assert runs['first']['city'].classes == CLASSES['city']
    np.testing.assert_allclose(runs['b']['city'].iou, np.multiply(score.iou, 100))
    assert runs['b']['city'].mean == pytest.approx(100 * score.mean(), abs=1e-4)
    assert list(ci.load_runs([first / 'report' / 'scores.json'])) == ['first']


def test_the_metrics_own_file_is_read_as_well(tmp_path):
    metric = MultiDatasetIoUMetric(out_file=str(tmp_path / 'test.json'))
    metric.dataset_meta = {'datasets': {'city': {'classes': CLASSES['city']}}}
    labels = np.array([[0, 1, 2]])
    metric.process({}, [{'dataset': 'city', 'pred_sem_seg': {'data': labels},
                         'gt_sem_seg': {'data': labels}}])
    metric.evaluate(1)
    runs = ci.load_runs([tmp_path / 'test.json'])
    assert runs['test']['city'].iou == [100.0, 100.0, 100.0]


def test_single_dataset_runs_of_one_label_are_one_run(tmp_path):
    one = work_dir(tmp_path / 'one', city=scores(0))
    two = work_dir(tmp_path / 'two', asia=scores(1, 'asia'))
    runs = ci.load_runs([f'single={one}', f'single={two}'])
    assert list(runs) == ['single'] and list(runs['single']) == ['city', 'asia']
    with pytest.raises(ValueError, match="run 'single' has dataset city twice.*one.*LABEL="):
        ci.load_runs([f'single={one}', f'single={one}'])


def test_classes_without_ground_truth_have_no_bar(tmp_path):
    labels = np.array([[0, 0], [1, 1]])
    score = score_dataset([count_pixels(np.array([[0, 2], [1, 1]]), labels, 3)], CLASSES['city'])
    runs = ci.load_runs([work_dir(tmp_path / 'a', city=score)])
    assert runs['a']['city'].iou == [50.0, 100.0, None]
    assert runs['a']['city'].mean == 75.0


def test_classes_that_are_left_out_have_a_bar_but_no_share_in_the_mean(tmp_path):
    score = scores(0, exclude=['car'])
    run = ci.load_runs([work_dir(tmp_path / 'a', city=score)])['a']['city']
    assert run.iou[2] == pytest.approx(100 * score.iou[2])
    assert run.mean == pytest.approx(50 * (score.iou[0] + score.iou[1]))


def test_names_are_shared_whatever_their_spelling():
    assert ci.shared_by_name(CLASSES) == {'city': [False, True, False],
                                          'asia': [True, False, False]}
    assert ci.shared_by_name({'city': CLASSES['city']}) == {'city': [False, False, False]}


def test_panels(tmp_path):
    both = {'city': scores(0), 'asia': scores(1, 'asia')}
    runs = ci.load_runs([work_dir(tmp_path / 'all', **both),
                         work_dir(tmp_path / 'city_alone', city=scores(2))])
    panels = ci.collect(runs)
    assert [(p.dataset, list(p.runs)) for p in panels] == [('city', ['all', 'city_alone']),
                                                           ('asia', ['all'])]
    # Another dataset of the run counts, drawn or not.
    (panel,) = ci.collect(runs, ['asia'])
    assert panel.dataset == 'asia' and panel.shared == [True, False, False]
    with pytest.raises(ValueError, match="'moon'; the runs have city, asia"):
        ci.collect(runs, ['moon'])


def test_runs_of_other_classes_are_refused(tmp_path):
    other = scores(0)
    other.classes = ['road', 'sky', 'car']
    runs = ci.load_runs([work_dir(tmp_path / 'a', city=scores(0)),
                         work_dir(tmp_path / 'b', city=other)])
    with pytest.raises(ValueError, match=r'(?s)b.report.scores.json.*city.*sky.*a.report'):
        ci.collect(runs)


@pytest.mark.parametrize(('text', 'words'), [
    ('{', 'is no JSON'),
    ('[1]', 'holds no scores by dataset'),
    ('{}', 'holds no scores by dataset'),
    ('{"city": {"mIoU": 3}}', "dataset city lacks 'classes'"),
    ('{"city": {"classes": ["a"], "iou": [1, 2], "notes": [""]}}', '1 classes, 2 values of IoU'),
])
def test_other_files_are_refused_by_name(tmp_path, text, words):
    (tmp_path / 'x.json').write_text(text)
    with pytest.raises(ValueError, match=f'x.json.*{words}'):
        ci.load_runs([tmp_path / 'x.json'])


def test_a_folder_without_scores_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'(?s)report.scores.json.*SegmentationReportHook'):
        ci.load_runs([tmp_path])
    with pytest.raises(FileNotFoundError, match='nothing.json'):
        ci.load_runs([tmp_path / 'nothing.json'])


@pytest.mark.parametrize(('classes', 'runs'), [(2, 1), (31, 5)])
def test_the_picture_is_written(tmp_path, classes, runs):
    names = [f'class {i}' for i in range(classes)]
    values = {f'run {r}': ci.DatasetResult(names, [None] + [50.0] * (classes - 1), 50.0, 'f')
              for r in range(runs)}
    ci.draw_class_iou([ci.Panel('city', names, [True] + [False] * (classes - 1), values)],
                      tmp_path / 'out.png')
    assert (tmp_path / 'out.png').read_bytes()[:4] == b'\x89PNG'
