"""``tools/few_shot.py``."""

import pytest

from mmseg_multids.apis.build_centroids import labelled_images
from mmseg_multids.datasets.label_maps import LabelMaps
from mmseg_multids.datasets.subsets import read_subset

from ..test_apis.test_build_centroids import small
from .test_plot_tools import call


@pytest.fixture
def config(repo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small(repo).dump(tmp_path / 'config.py')
    return tmp_path / 'config.py'


def test_shots_are_written_and_can_be_trained_on(config, repo, capsys):
    call('few_shot', config, '--dataset', 'asia', '--shots', 1, '--seed', 3, '--workers', 0,
         '--out', 'splits/asia.txt')
    text = capsys.readouterr().out
    subset = read_subset('splits/asia.txt')
    assert {k: subset.about[k] for k in ('dataset', 'split', 'shots', 'seed', 'of')} == {
        'dataset': 'asia', 'split': 'train', 'shots': 1, 'seed': 3, 'of': 6}
    assert f'{len(subset.names)} of 6 images of asia: splits/asia.txt' in text
    few = labelled_images(small(repo, subset={'train': 'splits/asia.txt'}), 'train', ['asia'])
    maps, whole = LabelMaps(few, 'asia'), LabelMaps(labelled_images(small(repo)), 'asia')
    shown = {i for k in range(len(maps)) for i in maps[k].flat}
    # One image for each class is enough to see every class that any image shows.
    assert shown == {i for k in range(len(whole)) for i in whole[k].flat}
    missing = [c for i, c in enumerate(maps.classes) if i not in shown]
    assert text.count('warning: class') == len(missing)


def test_shares(config, capsys):
    for share, count in (('1/6', 1), ('0.5', 3)):
        call('few_shot', config, '--dataset', 'city', '--split', 'val', '--fraction', share,
             '--out', f'{count}.txt')
        assert f'{count} of 6 images of city' in capsys.readouterr().out
    one, three = read_subset('1.txt'), read_subset('3.txt')
    assert set(one.names) < set(three.names) and one.about['fraction'] == '1/6'
    assert one.about['split'] == 'val' and 'shots' not in one.about


@pytest.mark.parametrize(('arguments', 'words'), [
    (['--dataset', 'moon', '--shots', '1'], "dataset 'moon' is unknown"),
    (['--dataset', 'city', '--shots', '0'], '--shots 0'),
    (['--dataset', 'city', '--fraction', '2'], 'fraction 2'),
    (['--dataset', 'city', '--shots', '1', '--split', 'dev'], "has no split 'dev'"),
    (['--dataset', 'city', '--shots', '1', '--workers', '-1'], '--workers -1'),
])
def test_refusals(config, tmp_path, arguments, words):
    with pytest.raises(SystemExit) as info:
        call('few_shot', config, *arguments, '--out', 'a.txt')
    assert words in str(info.value.code) and str(info.value.code).startswith('few_shot: ')
    assert list(tmp_path.iterdir()) == [config]


def test_one_of_both_is_needed(config, capsys):
    for arguments in ([], ['--shots', 1, '--fraction', '1/2']):
        with pytest.raises(SystemExit) as info:
            call('few_shot', config, '--dataset', 'city', '--out', 'a.txt', *arguments)
        assert info.value.code == 2
    assert '--fraction' in capsys.readouterr().err
