import runpy
import sys

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..conftest import ROOT
from ..test_apis.test_export import DS, HEADS, save


@pytest.fixture
def run(trained, monkeypatch, capsys):
    """Run the tool in this process: another would spend its time on importing."""
    def run(*arguments):
        monkeypatch.chdir(trained)
        monkeypatch.setattr(sys, 'argv', ['export.py', *map(str, arguments)])
        runpy.run_path(str(ROOT / 'tools' / 'export.py'), run_name='__main__')
        return capsys.readouterr().out

    return run


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    init_default_scope('mmseg')
    folder = tmp_path_factory.mktemp('tool')
    config, _ = save(folder, HEADS['segformer'], DS)
    config.write_text("custom_imports = dict(imports=['mmseg_multids'])\n" + config.read_text())
    return folder


def test_the_tool_writes_and_says_what_it_checked(run, trained):
    for name in ('onnx', 'onnxruntime', 'onnxscript'):
        pytest.importorskip(name)
    out = run('trained.pth', '--dataset', 'two', '--onnx', 'exported/two.onnx', '--size', 64, 96)
    assert 'logits of a random image differ from ours by at most 0' in out
    assert 'its logits differ from torch by at most' in out
    assert sorted(p.name for p in (trained / 'exported').iterdir()) == ['two.onnx', 'two.pth',
                                                                        'two.py']
    text = (trained / 'exported' / 'two.py').read_text()
    assert text.startswith("# Classes of 'two' out of trained.pth") and 'custom_imports' not in text
    assert Config.fromfile(trained / 'exported' / 'two.py').default_scope == 'mmseg'


def test_the_tool_writes_a_backbone(run, trained):
    out = run('trained.pth', '--backbone', '--norm', 'mean', '--out', 'weights/backbone.pth')
    tensors = len(torch.load(trained / 'weights' / 'backbone.pth')['state_dict'])
    assert f'backbone: weights/backbone.pth ({tensors} tensors)' in out
    assert 'feature maps of a random image differ from ours by at most 0' in out
    assert 'model.backbone.init_cfg.checkpoint=weights/backbone.pth' in out


@pytest.mark.parametrize(('what', 'file'), [
    (['--dataset', 'one', '--out', 'again'], 'again/one.pth'),
    (['--backbone', '--norm', 'one', '--out', 'again/b.pth'], 'again/b.pth')])
def test_files_are_replaced_on_demand_alone(run, trained, what, file):
    (trained / 'again').mkdir(exist_ok=True)
    (trained / file).write_text('mine')
    with pytest.raises(SystemExit, match=f'export: {file} exists already; .*--force'):
        run('trained.pth', *what)
    assert (trained / file).read_text() == 'mine'
    assert file in run('trained.pth', *what, '--force')
    assert (trained / file).stat().st_size > 1000


@pytest.mark.parametrize(('arguments', 'words'), [
    (['--dataset', 'moon'], "export: unknown dataset 'moon'; known: one, two, unified"),
    (['--dataset', 'one', '--size', '8', '8'], 'name its file with --onnx FILE'),
    (['--backbone'], 'say whose with --norm (one, two, mean)'),
    (['--backbone', '--dataset', 'one'], 'not allowed with argument --backbone'),
    (['--backbone', '--onnx', 'x.onnx'], 'leave out --onnx, --size and --names'),
    ([], 'one of the arguments --dataset --backbone is required'),
])
def test_errors_are_one_line(run, trained, capsys, arguments, words):
    with pytest.raises(SystemExit) as error:
        run('trained.pth', '--config', 'trained_cfg.py', '--out', 'elsewhere', *arguments,
            '--cfg-options', 'model.test_cfg.mode=whole')
    said = error.value.code if isinstance(error.value.code, str) else capsys.readouterr().err
    assert said.splitlines()[-1].endswith(words)
    assert not (trained / 'elsewhere').exists()
