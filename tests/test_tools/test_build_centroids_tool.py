"""``tools/build_centroids.py``."""

import pytest

from mmseg_multids.apis.build_centroids import labelled_images
from mmseg_multids.datasets.centroids import CentroidIndex, open_centroids

from ..test_apis.test_build_centroids import small
from .test_plot_tools import call


@pytest.fixture
def config(repo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small(repo).dump(tmp_path / 'config.py')
    return tmp_path / 'config.py'


def test_all_datasets(config, tmp_path, repo, capsys):
    call('build_centroids', config, '--workers', 2, '--min-area', 4)
    text = capsys.readouterr().out
    images = labelled_images(small(repo))
    files = sorted(path.name for path in (tmp_path / 'centroids').iterdir())
    assert files == ['asia_train.npz', 'atlas_train.npz', 'city_train.npz']
    for name in images.names:
        index = open_centroids(tmp_path / 'centroids' / f'{name}_train.npz', images, name)
        assert index.settings['min_area'] == 4 and index.hash[:16] in text
        assert f'{name}: 6 of 6 images' in text
        for absent in index.absent:
            assert absent in text.split(f'{name}, split train')[1].split('have no object: ')[1]


def test_one_dataset_into_a_file(config, tmp_path, capsys):
    call('build_centroids', config, '--dataset', 'atlas', '--split', 'val', '--out', 'a/b.npz',
         '--point', 'mean', '--connectivity', 4, '--workers', 0)
    index = CentroidIndex.load(tmp_path / 'a' / 'b.npz')
    assert (index.dataset, index.split) == ('atlas', 'val')
    assert index.settings == {'min_area': 1, 'connectivity': 4, 'point': 'mean'}
    assert not (tmp_path / 'centroids').exists() and 'centroids: a/b.npz' in capsys.readouterr().out


@pytest.mark.parametrize(('arguments', 'words'), [
    (['--out', 'a.npz'], '--out names one file, but there are 3 datasets (city, asia, atlas)'),
    (['--dataset', 'moon'], "dataset 'moon' is unknown"),
    (['--split', 'dev'], "has no split 'dev'"),
    (['--min-area', '0'], 'min_area=0'),
    (['--workers', '-1'], '--workers -1'),
])
def test_refusals(config, tmp_path, arguments, words):
    with pytest.raises(SystemExit) as info:
        call('build_centroids', config, *arguments)
    assert words in str(info.value.code) and str(info.value.code).startswith('build_centroids: ')
    assert list(tmp_path.iterdir()) == [config]


def test_a_config_that_does_not_exist(tmp_path):
    with pytest.raises(SystemExit, match=r'none.py does not exist'):
        call('build_centroids', tmp_path / 'none.py')
