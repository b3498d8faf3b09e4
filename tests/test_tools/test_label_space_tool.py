import os
import subprocess
import sys

from mmseg_multids.label_spaces import LabelSpace, UnifiedLabelSpace, unify_by_name

CONFIG = """
datasets = [dict(name='city', type='BaseSegDataset', metainfo=dict(classes=['road', 'Wall'])),
            dict(name='asia', type='BaseSegDataset', metainfo=dict(classes=['wall', 'Café']))]
model = dict(type='MultiDatasetSegmentor', datasets=datasets)
"""


def run(repo, *args):
    return subprocess.run([sys.executable, 'tools/label_space.py', *map(str, args)], cwd=repo,
                          env={**os.environ, 'PYTHONPATH': str(repo)}, capture_output=True,
                          text=True, timeout=120)


def test_the_tool_prints_and_saves_what_the_model_gets(repo, tmp_path):
    config, saved = tmp_path / 'two_datasets_cfg.py', tmp_path / 'space.json'
    config.write_text(CONFIG, encoding='utf-8')
    out = run(repo, config, '--json', saved)
    assert out.returncode == 0, out.stderr
    assert '4 nodes for 4 classes of 2 dataset(s)' in out.stdout
    assert 'the same name but separate nodes: 1' in out.stdout
    again = run(repo, config, '--json', saved, '--cfg-options', 'model.label_space.type=by_name')
    assert 'Wall  (city: Wall; asia: wall)' in again.stdout
    assert UnifiedLabelSpace.from_json(saved) == unify_by_name(
        [LabelSpace('city', ['road', 'Wall']), LabelSpace('asia', ['wall', 'Café'])])


def test_a_config_without_datasets_is_refused(repo, tmp_path):
    config = tmp_path / 'stock_cfg.py'
    config.write_text("model = dict(type='EncoderDecoder')\n")
    out = run(repo, config)
    assert out.returncode == 2 and 'EncoderDecoder' in out.stderr
    assert 'stock_cfg.py' in out.stderr and 'MultiDatasetSegmentor' in out.stderr


def test_remapped_datasets_show_their_targets_classes(repo, tmp_path):
    config = tmp_path / 'remapped_cfg.py'
    config.write_text("""
datasets = [dict(name='street', type='CityscapesDataset'),
            dict(name='camvid', type='CamVidDataset', remap='camvid_to_cityscapes.json')]
model = dict(type='MultiDatasetSegmentor', datasets=datasets, label_space=dict(type='by_name'))
""")
    out = run(repo, config)
    assert out.returncode == 0, out.stderr
    assert '19 nodes for 38 classes of 2 dataset(s)' in out.stdout
    assert 'shared by several datasets: 19 nodes' in out.stdout
