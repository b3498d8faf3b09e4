"""Runs side by side, on work dirs whose figures are known."""

import json
import math

import pytest

from mmseg_multids.apis.compare_runs import compare_runs, load_groups
from mmseg_multids.apis.compare_tables import format_comparison, write_comparison

from ..test_evaluation.test_run_files import log, training, validation

#: Labelled pixels and IoU of a run on two datasets. By frequency, city's classes are c, a, d, b;
#: nothing is labelled as e, and f is left out of means.
CITY = {'a': (300, 0.6), 'b': (10, 0.1), 'c': (500, 0.8), 'd': (90, 0.5), 'e': (0, None),
        'f': (100, 0.9)}
ASIA = {'x': (10, 0.2), 'y': (30, 0.4)}


def scores(table, change=0.0):
    """What SegmentationReportHook writes of a dataset; every IoU is changed."""
    pixels = [count for count, _ in table.values()]
    return {'classes': list(table),
            'iou': [None if iou is None else iou + change for _, iou in table.values()],
            'labelled': pixels, 'share': [count / max(1, sum(pixels)) for count in pixels],
            'notes': ['no ground truth' if not count else 'left out' if name == 'f' else ''
                      for name, (count, _) in table.items()]}


def work_dir(path, report=None, *lines):
    """A run: its report by dataset, and the lines of its log."""
    if report:
        (path / 'report').mkdir(parents=True)
        (path / 'report' / 'scores.json').write_text(json.dumps(report))
    if lines:
        log(path, '20260101_000000', *lines)
    return path


@pytest.fixture
def runs(tmp_path):
    """Two seeds of one variant and a run of another, which has no dataset asia."""
    work_dir(tmp_path / 'a0', {'city': scores(CITY), 'asia': scores(ASIA)},
             training(1), validation(2, city=20.0, asia=5.0), validation(4, city=50.0, asia=30.0))
    work_dir(tmp_path / 'a1', {'city': scores(CITY, -0.1), 'asia': scores(ASIA, 0.1)},
             training(1), validation(2, city=30.0, asia=6.0), validation(4, city=40.0, asia=40.0))
    work_dir(tmp_path / 'b', {'city': scores(CITY, 0.1)},
             training(1), validation(4, city=60.0))
    return tmp_path


def test_means_and_deviations_over_seeds(runs):
    found = compare_runs(load_groups([f'a={runs / "a0"},{runs / "a1"}']))
    # (60 + 10 + 80 + 50) / 4 = 50, without e and f; every class 10 less in the other seed
    assert found.datasets['city'].miou['a'].runs == pytest.approx([50, 40])
    assert found.datasets['city'].miou['a'].mean == pytest.approx(45)
    assert found.datasets['city'].miou['a'].std == pytest.approx(math.sqrt(50))
    assert found.datasets['asia'].miou['a'].runs == pytest.approx([30, 40])
    # Seed by seed: (50 + 30) / 2 and (40 + 40) / 2.
    assert found.mean['miou']['a'].runs == pytest.approx([40, 40])
    assert found.mean['miou']['a'].std == pytest.approx(0)
    assert found.iterations == {'a': [4, 4]} and found.notes == []


def test_head_and_tail_classes_by_hand(runs):
    found = compare_runs(load_groups([f'a={runs / "a0"},{runs / "a1"}']), head=0.5, tail=0.25)
    city = found.datasets['city']
    assert city.classes == ['c', 'a', 'd', 'b']
    assert city.share == pytest.approx([50, 30, 9, 1])
    assert city.head == ['c', 'a'] and city.tail == ['b']  # 2 and 1 of 4
    assert city.left_out == {'e': 'no ground truth', 'f': 'left out'}
    assert city.head_mean['a'].runs == pytest.approx([70, 60])
    assert city.tail_mean['a'].runs == pytest.approx([10, 0])
    assert city.iou['a']['a'].runs == pytest.approx([60, 50])
    asia = found.datasets['asia']
    assert asia.head == ['y'] and asia.tail == ['x']
    assert found.mean['head']['a'].runs == pytest.approx([(70 + 40) / 2, (60 + 50) / 2])
    assert found.mean['tail']['a'].runs == pytest.approx([(10 + 20) / 2, (0 + 30) / 2])


@pytest.mark.parametrize(('classes', 'share', 'expected'), [
    (150, 0.05, 7),  # as in the paper's Table 7
    (19, 0.05, 1),  # at least one
    (100, 0.29, 29),  # 0.29 * 100 is less than 29 in floating point
])
def test_how_many_classes_a_share_is(tmp_path, classes, share, expected):
    table = {f'k{i}': (1000 - i, 0.5) for i in range(classes)}
    work_dir(tmp_path / 'a', {'city': scores(table)})
    of = compare_runs(load_groups([tmp_path / 'a']), share, share).datasets['city']
    assert of.head == [f'k{i}' for i in range(expected)]
    assert of.tail == [f'k{i}' for i in range(classes - expected, classes)]


def test_equally_frequent_classes_keep_their_order(tmp_path):
    work_dir(tmp_path / 'a', {'city': scores({k: (5, 0.5) for k in 'dbca'})})
    assert compare_runs(load_groups([tmp_path / 'a'])).datasets['city'].classes == list('dbca')


def test_a_single_class_is_head_and_tail(tmp_path):
    work_dir(tmp_path / 'a', {'city': scores({'a': (5, 0.5)})})
    of = compare_runs(load_groups([tmp_path / 'a'])).datasets['city']
    assert of.head == of.tail == ['a'] and of.head_mean['a'].mean == 50


def test_variants_are_compared_on_what_they_share(runs):
    found = compare_runs(load_groups([f'a={runs / "a0"}', runs / 'b']))
    assert list(found.datasets) == ['city'] and list(found.runs) == ['a', 'b']
    assert found.notes == ['dataset asia is left out: b has none of it']
    assert found.mean['miou']['a'].mean == pytest.approx(50)  # of city alone
    work_dir(runs / 'c', {'asia': scores(ASIA)})
    with pytest.raises(ValueError, match='no dataset that all have: b has city; c has asia'):
        compare_runs(load_groups([runs / 'b', runs / 'c']))
    with pytest.raises(ValueError, match="'asia' is no dataset that all have; those are city"):
        compare_runs(load_groups([runs / 'a0', runs / 'b']), datasets=['asia'])


def test_networks_of_one_dataset_each_are_one_variant(runs):
    work_dir(runs / 'c', {'asia': scores(ASIA, 0.3)})
    found = compare_runs(load_groups([f'all={runs / "a0"}', f'single={runs / "b"},{runs / "c"}']))
    assert found.datasets['city'].miou['single'].runs == pytest.approx([60])
    assert found.datasets['asia'].miou['single'].runs == pytest.approx([60])
    assert found.mean['miou']['single'].std is None
    # More seeds of one dataset than of the other: they cannot be paired.
    found = compare_runs(load_groups([f'x={runs / "a0"},{runs / "b"}']))
    assert found.mean['miou']['x'].mean == pytest.approx((55 + 30) / 2)
    assert found.mean['miou']['x'].std is None
    assert any('x: the datasets have different numbers of runs (2 of city, 1 of asia)' in note
               for note in found.notes)


def test_curves(runs):
    found = compare_runs(load_groups([f'a={runs / "a0"},{runs / "a1"}', runs / 'b']))
    a, b = found.datasets['city'].curves.values()
    assert (a.iterations, a.mean) == ([2, 4], [25, 45]) and b.std is None
    assert a.std == pytest.approx([math.sqrt(50)] * 2)
    mixed = compare_runs(load_groups([f'x={runs / "a0"},{runs / "b"}']))
    assert mixed.datasets['city'].curves['x'].iterations == [4]
    assert any('the curve of city has the 1 iterations' in note for note in mixed.notes)


def test_a_run_that_has_not_ended_has_the_last_validation(runs):
    work_dir(runs / 'c', None, training(1), validation(2, city=7.0))
    found = compare_runs(load_groups([f'a={runs / "a0"},{runs / "c"}', f'c={runs / "c"}']))
    city = found.datasets['city']
    assert city.miou['a'].runs == pytest.approx([50, 7]) and city.miou['c'].runs == [7]
    assert 'c' not in city.head_mean and city.head_mean['a'].runs == pytest.approx([80])
    assert found.mean['head']['c'] is None and found.iterations == {'a': [4, 2], 'c': [2]}
    for words in (f'{runs / "c"} has no report/scores.json (the run has not ended',
                  'a: not all runs were validated at the same iteration last',
                  'a: IoU of classes of city is of 1 of 2 runs'):
        assert any(words in note for note in found.notes), found.notes
    text = format_comparison(found)
    assert '| c | 1 | 2 | 7.00 | 7.00 |' in text and '| c | - | 7.00 | 7.00 |' not in text
    assert '| c | - | - | - | - |' in text  # head and tail


def test_a_report_of_an_earlier_validation_is_noticed(runs):
    log(runs / 'b', '20260102_000000', training(5), validation(6, city=70.0))
    run, = load_groups([runs / 'b'])['b']
    assert 'mIoU of city: 60.00 and 70.00' in run.notes[0] and len(run.notes) == 1
    assert run.miou == {'city': pytest.approx(60)}


def test_validations_on_other_images_are_noticed(runs):
    more = {**CITY, 'b': (11, 0.1)}
    work_dir(runs / 'c', {'city': scores(more)})
    found = compare_runs(load_groups([runs / 'b', runs / 'c']))
    assert any(f'city: {runs / "c"} was validated on other pixels' in n for n in found.notes)


def test_other_classes_are_refused(runs):
    work_dir(runs / 'c', {'city': scores({**CITY, 'g': (1, 0.1)})})
    with pytest.raises(ValueError, match=rf'{runs / "c"}: dataset city has other classes \(g\)'):
        compare_runs(load_groups([runs / 'b', runs / 'c']))


def test_what_is_no_run_is_refused_by_name(tmp_path, runs):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match=r'empty is no work dir of a run: it has neither '
                       r'report.scores\.json nor \*/vis_data/scalars\.json'):
        load_groups([tmp_path / 'empty'])
    with pytest.raises(FileNotFoundError, match='nothing does not exist'):
        load_groups([tmp_path / 'nothing'])
    work_dir(tmp_path / 'c', None, training(50))
    with pytest.raises(ValueError, match='c has no validations.*scalars.json.*val_interval'):
        load_groups([tmp_path / 'c'])
    (runs / 'b' / 'report' / 'scores.json').write_text('{"city": {"cla')
    with pytest.raises(ValueError, match='scores.json is no JSON'):
        load_groups([runs / 'b'])


def test_a_report_without_pixel_counts_is_refused(tmp_path):
    score = scores(CITY)
    del score['share']
    work_dir(tmp_path / 'a', {'city': score})
    with pytest.raises(ValueError, match="dataset city lacks 'share'"):
        load_groups([tmp_path / 'a'])


def test_a_file_of_scores_is_a_run_without_a_curve(runs):
    file = runs / 'b' / 'report' / 'scores.json'
    found = compare_runs(load_groups([f'x={file}', runs / 'b']))
    assert found.datasets['city'].miou['x'].runs == pytest.approx([60])
    assert list(found.datasets['city'].curves) == ['b']
    assert found.notes == [f'{file} is a file of scores: no curve']
    assert list(load_groups([file])) == ['b']


def test_names(runs):
    again = work_dir(runs / 'x' / 'b', {'city': scores(CITY)})
    with pytest.raises(ValueError, match="are both named 'b'; give them names"):
        load_groups([runs / 'b', again])
    with pytest.raises(ValueError, match="group 's' has the run .* twice"):
        load_groups([f's={runs / "b"}', f's={runs / "x" / ".." / "b"}'])
    with pytest.raises(ValueError, match='several runs of one group need a name'):
        load_groups([f'{runs / "a0"},{runs / "a1"}'])
    with pytest.raises(ValueError, match='nothing before or after a comma'):
        load_groups([f's={runs / "a0"},'])
    # A name that is there twice is one group, as a shell's NAME=run_{0,1} makes it.
    assert len(load_groups([f's={runs / "a0"}', f's={runs / "a1"}'])['s']) == 2
    comma = work_dir(runs / 'p,q', {'city': scores(CITY)})
    assert [run.path for run in load_groups([f's={comma}'])['s']] == [str(comma)]


@pytest.mark.parametrize('share', [0, 0.51, -1, float('nan')])
def test_shares_are_checked(runs, share):
    groups = load_groups([runs / 'b'])
    with pytest.raises(ValueError, match=f'head={share}: a share'):
        compare_runs(groups, head=share)
    with pytest.raises(ValueError, match=f'tail={share}: a share'):
        compare_runs(groups, tail=share)


def test_the_tables(runs):
    text = format_comparison(compare_runs(
        load_groups([f'a|b={runs / "a0"},{runs / "a1"}']), head=0.5, tail=0.25))
    assert r'| a\|b | 2 | 4 | 45.00 ± 7.07 | 35.00 ± 7.07 | 40.00 ± 0.00 |' in text
    assert '| variant | c (50.00 %) | a (30.00 %) | mean | mIoU |' in text
    assert (r'| a\|b | 75.00 ± 7.07 | 55.00 ± 7.07 | 65.00 ± 7.07 | 45.00 ± 7.07 |') in text
    assert 'the 50 % with the most labelled pixels' in text and '1 of 4' in text
    assert 'city: neither head nor tail: e (no ground truth); f (left out)' in text


def test_files(runs, tmp_path):
    out = tmp_path / 'new' / 'folder'
    found = compare_runs(load_groups([f'a={runs / "a0"},{runs / "a1"}']), head=0.5)
    files = write_comparison(found, out)
    assert [file.name for file in files] == ['compare.md', 'compare.json', 'compare.png']
    assert sorted(p.name for p in out.iterdir()) == sorted(file.name for file in files)
    assert (out / 'compare.md').read_text() == format_comparison(found) + '\n'
    assert (out / 'compare.png').read_bytes()[:4] == b'\x89PNG'
    data = json.loads((out / 'compare.json').read_text())
    city = data['datasets']['city']
    assert city['miou']['a']['runs'] == pytest.approx([50, 40])
    assert city['iou']['a']['c']['mean'] == pytest.approx(75)
    assert city['curves']['a']['iterations'] == [2, 4]
    assert data['mean']['head']['a']['mean'] == pytest.approx((65 + 45) / 2)
    # Without logs there is no picture, nor one of earlier.
    file = runs / 'b' / 'report' / 'scores.json'
    assert len(write_comparison(compare_runs(load_groups([file])), out)) == 2
    assert sorted(p.name for p in out.iterdir()) == ['compare.json', 'compare.md']


def test_a_dataset_of_which_no_class_counts(tmp_path):
    """It is a gap in the table, not in the mean."""
    work_dir(tmp_path / 'a', {'city': scores({'e': (0, None)}), 'asia': scores(ASIA)},
             validation(2, city=float('nan'), asia=30.0))
    found = compare_runs(load_groups([tmp_path / 'a']))
    assert math.isnan(found.datasets['city'].miou['a'].mean)
    assert found.mean['miou']['a'].mean == pytest.approx(30)
    assert '| a | 1 | 2 | - | 30.00 | 30.00 |' in format_comparison(found)
    write_comparison(found, tmp_path / 'out')
    data = json.loads((tmp_path / 'out' / 'compare.json').read_text())
    assert data['datasets']['city']['miou']['a']['mean'] is None
