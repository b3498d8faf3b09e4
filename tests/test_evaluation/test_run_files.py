"""Logs of validations, as LocalVisBackend writes them."""

import json

import pytest

from mmseg_multids.evaluation.run_files import default_label, read_validations


def validation(step, prefix='', **miou):
    """What LoggerHook hands on after a validation."""
    keys = {f'{prefix}{dataset}/mIoU': value for dataset, value in miou.items()}
    return {**keys, f'{prefix}mean/mIoU': 1.0, f'{prefix}harmonic/mIoU': 1.0,
            f'{prefix}seen/mIoU': 1.0, f'{prefix}unseen/mIoU': 1.0, f'{prefix}mean/mAcc': 1.0,
            'time': 0.1, 'step': step}


def training(step):
    return {'loss': 0.5, 'decode.city.acc_seg': 50.0, 'iter': step, 'step': step}


def log(work_dir, time, *lines, end=''):
    file = work_dir / time / 'vis_data' / 'scalars.json'
    file.parent.mkdir(parents=True)
    file.write_text(''.join(json.dumps(line) + '\n' for line in lines) + end)
    return file


def test_validations_are_told_from_training_and_datasets_from_their_means(tmp_path):
    file = log(tmp_path, '1', training(1), validation(2, city=10.0, asia=20.0), training(3),
               validation(4, city=11.0, asia=float('nan')))
    found = read_validations(tmp_path)
    assert list(found.miou) == ['city', 'asia'] and found.miou['city'] == {2: 10.0, 4: 11.0}
    assert found.miou['asia'][2] == 20.0 and found.miou['asia'][4] != found.miou['asia'][4]
    assert found.files == [file] and found.notes == []


def test_the_prefix_of_the_metric_is_no_part_of_a_dataset(tmp_path):
    log(tmp_path, '1', validation(2, prefix='val/', city=10.0))
    assert read_validations(tmp_path).miou == {'city': {2: 10.0}}


def test_of_a_resumed_run_the_last_value_of_an_iteration_counts(tmp_path):
    log(tmp_path, '20260102_000000', training(3), validation(4, city=14.0),
        validation(6, city=16.0))
    log(tmp_path, '20260101_000000', training(1), validation(2, city=2.0), training(3),
        validation(4, city=4.0))
    found = read_validations(tmp_path)
    assert list(found.miou['city'].items()) == [(2, 2.0), (4, 14.0), (6, 16.0)]
    assert found.notes == []


def test_a_course_that_was_given_up_does_not_count(tmp_path):
    """The second start is not as far as the first one was, which says nothing of its end."""
    log(tmp_path, '1', training(1), *(validation(i, city=float(i)) for i in (2, 4, 6, 8)))
    second = log(tmp_path, '2', training(3), validation(4, city=40.0))
    found = read_validations(tmp_path)
    assert found.miou == {'city': {2: 2.0, 4: 40.0}}
    assert found.notes == [f'{second} begins anew by iteration 3: earlier validations at 6, 8 are '
                           'left out']


def test_datasets_may_be_validated_one_by_one(tmp_path):
    log(tmp_path, '1', validation(2, city=10.0), validation(2, asia=20.0))
    assert read_validations(tmp_path).miou == {'city': {2: 10.0}, 'asia': {2: 20.0}}


def test_a_line_that_was_cut_off_is_left_out_and_said(tmp_path):
    file = log(tmp_path, '1', validation(2, city=10.0), end='{"city/mIoU": 1')
    found = read_validations(tmp_path)
    assert found.miou == {'city': {2: 10.0}}
    assert found.notes == [f'{file}: the last line is cut off and left out']


@pytest.mark.parametrize(('line', 'words'), [
    ('{"city/mIoU": 1', 'line 1 is no JSON'), ('[1]', 'line 1 has no scalars with a step'),
    ('{"mean/mIoU": 1}', 'line 1 has no scalars with a step')])
def test_other_lines_are_refused_by_number(tmp_path, line, words):
    file = log(tmp_path, '1', end=f'{line}\n{{"step": 1}}\n')
    with pytest.raises(ValueError, match=f'{file}: {words}'):
        read_validations(tmp_path)


def test_a_folder_without_logs_has_none(tmp_path):
    assert read_validations(tmp_path) == ({}, [], [])


def test_default_labels(tmp_path):
    (tmp_path / 'first' / 'report').mkdir(parents=True)
    (tmp_path / 'test.json').write_text('')
    assert default_label(tmp_path / 'first') == 'first'
    assert default_label(tmp_path / 'first' / 'report' / 'scores.json') == 'first'
    assert default_label(tmp_path / 'test.json') == 'test'
