import os
import runpy
import subprocess
import sys

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..conftest import ROOT
from ..test_apis.test_export import DS, HEADS, save


def run(*arguments, folder):
    return subprocess.run([sys.executable, ROOT / 'tools' / 'export.py', *map(str, arguments)],
                          cwd=folder, env={**os.environ, 'PYTHONPATH': str(ROOT)},
                          capture_output=True, text=True, timeout=300)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    init_default_scope('mmseg')
    folder = tmp_path_factory.mktemp('tool')
    config, _ = save(folder, HEADS['segformer'], DS)
    config.write_text("custom_imports = dict(imports=['mmseg_multids'])\n" + config.read_text())
    return folder


def test_the_tool_writes_and_says_what_it_checked(trained):
    for name in ('onnx', 'onnxruntime', 'onnxscript'):
        pytest.importorskip(name)
    out = run('trained.pth', '--dataset', 'two', '--onnx', 'exported/two.onnx', '--size', 64, 96,
              folder=trained)
    assert out.returncode == 0, out.stderr[-2000:]
    assert 'logits of a random image differ from ours by at most 0' in out.stdout
    assert 'its logits differ from torch by at most' in out.stdout
    assert sorted(p.name for p in (trained / 'exported').iterdir()) == ['two.onnx', 'two.pth',
                                                                     'two.py']
    text = (trained / 'exported' / 'two.py').read_text()
    assert text.startswith("# Classes of 'two' out of trained.pth") and 'custom_imports' not in text
    assert Config.fromfile(trained / 'exported' / 'two.py').default_scope == 'mmseg'


@pytest.mark.parametrize(('arguments', 'words'), [
    (['--dataset', 'moon'], "export: unknown dataset 'moon'; known: one, two, unified"),
    (['--dataset', 'one', '--size', '8', '8'], 'name its file with --onnx FILE'),
])
def test_errors_are_one_line(trained, monkeypatch, capsys, arguments, words):
    # In this process: a second one would spend its time on importing.
    monkeypatch.setattr(sys, 'argv', [
        'export.py', str(trained / 'trained.pth'), '--config', str(trained / 'trained_cfg.py'),
        '--out', str(trained / 'elsewhere'), '--cfg-options', 'model.test_cfg.mode=whole',
        *arguments])
    with pytest.raises(SystemExit) as error:
        runpy.run_path(str(ROOT / 'tools' / 'export.py'), run_name='__main__')
    said = error.value.code if isinstance(error.value.code, str) else capsys.readouterr().err
    assert said.splitlines()[-1].endswith(words)
    assert not (trained / 'elsewhere').exists()
