import runpy
import sys

import pytest
import torch

from ..conftest import ROOT
from ..test_apis.test_grow import DATASETS, VILLAGE, mix, toy


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the tool in this process: another would spend its time on importing."""
    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['add_dataset.py', *map(str, arguments)])
        runpy.run_path(str(ROOT / 'tools' / 'add_dataset.py'), run_name='__main__')
        return capsys.readouterr().out

    return run


def test_the_report_of_a_dataset_added_and_one_removed(run, tmp_path):
    config, checkpoint = toy(tmp_path)
    mix(config, [DATASETS[1], VILLAGE]).dump(tmp_path / 'mix_cfg.py')
    out = run(tmp_path / 'mix_cfg.py', checkpoint, '--out', tmp_path / 'new' / 'out.pth',
              '--batches', 1)
    assert 'added village\n  distance of its images to the statistics of: ' in out
    assert 'batch norms begin as those of: ' in out and 'begin as the mean of all rows: ' in out
    assert 'removed one\nkept two\n' in out and "left out: the optimizer's state" in out
    assert list(torch.load(tmp_path / 'new' / 'out.pth')) == ['meta', 'state_dict']
    with pytest.raises(SystemExit, match='add_dataset: .*out.pth exists already.*--force'):
        run(tmp_path / 'mix_cfg.py', checkpoint, '--out', tmp_path / 'new' / 'out.pth')
    with pytest.raises(SystemExit, match="add_dataset: init='moon'"):
        run(tmp_path / 'mix_cfg.py', checkpoint, '--out', tmp_path / 'x.pth', '--init', 'moon')
