"""``tools/get_flops.py``."""

import pytest

from .test_plot_tools import call, refusal

CDCL, SINGLE = 'configs/cdcl/cdcl_toyworld3.py', 'configs/cdcl/single_city_toyworld3.py'


@pytest.fixture(autouse=True)
def _in_the_repository(repo, monkeypatch):
    monkeypatch.chdir(repo)


def test_the_single_dataset_config_costs_the_same(capsys):
    call('get_flops', CDCL, '--against', SINGLE, '--size', 64, 96)
    text = capsys.readouterr().out
    ours, single = (line.split('|') for line in text.splitlines() if '_toyworld3 ' in line)
    assert [cell.strip() for cell in ours[1:3]] == ['city', 'cdcl_toyworld3']
    assert [cell.strip() for cell in single[2:3]] == ['single_city_toyworld3']
    assert ours[3] == single[3] and ours[-2] == single[-2]  # parameters and FLOPs
    assert 'one image of 3 x 64 x 96' in text
    assert 'city: the same number of parameters and FLOPs in both networks' in text


def test_chosen_datasets_and_overridden_keys(capsys):
    call('get_flops', CDCL, '--dataset', 'atlas', '--size', 64, 64,
         '--cfg-options', 'model.dataset_norm=None')
    text = capsys.readouterr().out
    line, = (line.split('|') for line in text.splitlines() if line.startswith('| atlas'))
    assert line[5].strip() == '0'  # no batch norms of its own
    assert 'city' not in text and 'atlas: the same number' in text


@pytest.mark.parametrize(('arguments', 'words'), [
    (['nothing.py'], 'config nothing.py does not exist'),
    (['configs/_base_/default_runtime.py'], 'default_runtime.py has no `model`'),
    ([CDCL, '--size', '0', '64'], '--size 0 64: expected a height and a width of at least 1'),
    ([CDCL, '--dataset', 'moon'], "unknown dataset 'moon'; the config has city, asia, atlas"),
    ([CDCL, '--against', SINGLE, '--dataset', 'asia'],
     "unknown dataset 'asia'; the other config has city"),
])
def test_errors(arguments, words, capsys):
    assert words in ' '.join(refusal(capsys, 'get_flops', *arguments).split())
