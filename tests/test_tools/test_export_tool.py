import os
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
    out = run('trained_cfg.py', 'trained.pth', '--dataset', 'two', '--out', 'plain', '--onnx',
              'plain/two.onnx', '--size', 64, 96, folder=trained)
    assert out.returncode == 0, out.stderr[-2000:]
    assert 'logits of a random image differ from ours by at most 0' in out.stdout
    assert 'its logits differ from torch by at most' in out.stdout
    assert sorted(p.name for p in (trained / 'plain').iterdir()) == ['two.onnx', 'two.pth',
                                                                     'two.py']
    text = (trained / 'plain' / 'two.py').read_text()
    assert text.startswith("# Classes of 'two' out of trained.pth") and 'custom_imports' not in text
    assert Config.fromfile(trained / 'plain' / 'two.py').default_scope == 'mmseg'


def test_errors_are_one_line(trained):
    out = run('trained_cfg.py', 'trained.pth', '--dataset', 'moon', '--out', 'elsewhere',
              '--cfg-options', 'model.test_cfg.mode=whole', folder=trained)
    assert out.returncode == 1 and not (trained / 'elsewhere').exists()
    assert out.stderr.strip().splitlines()[-1] == \
        "export: unknown dataset 'moon'; known: one, two, unified"
