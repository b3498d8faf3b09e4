import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from mmengine.config import Config

from ..conftest import ROOT

CONFIGS = sorted((ROOT / 'configs').rglob('*.py'))
EXPERIMENTS = [p for p in CONFIGS if '_base_' not in p.parts]


def tracked_files() -> list:
    out = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True)
    if out.returncode:
        pytest.skip('no git checkout')
    return [ROOT / line for line in out.stdout.splitlines()]


def test_file_names_are_unique_in_the_package():
    """``mim train mmseg_multids NAME.py`` searches the whole package by base name."""
    modules = {p.name for p in (ROOT / 'mmseg_multids').rglob('*.py') if '.mim' not in p.parts}
    tools = {p.name for p in (ROOT / 'tools').rglob('*.py')}
    names = Counter(p.name for p in CONFIGS)
    assert [n for n, count in names.items() if count > 1] == []
    assert set(names) & (modules | tools) == set()


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_configs_have_no_class_counts_or_dataset_indices(path):
    text = path.read_text()
    assert not re.search(r'(num_classes|num_datasets|dataset_id|out_channels)\s*=\s*\d', text)


def test_custom_imports_are_set_once():
    assert [p.name for p in CONFIGS if 'custom_imports =' in p.read_text()] == [
        'default_runtime.py']


@pytest.mark.parametrize('path', [p for p in CONFIGS if p.parent.name == 'datasets'],
                         ids=lambda p: p.stem)
def test_dataset_files_export_one_key_of_their_name(path):
    cfg = Config.fromfile(path)
    assert len(cfg) == 1
    (key, entry), = cfg.items()
    assert key == path.stem and entry.name in key
    assert {'train', 'val', 'test'} <= set(entry.splits)


@pytest.mark.parametrize('path', EXPERIMENTS, ids=lambda p: p.stem)
def test_experiments_build_without_data(monkeypatch, path):
    from mmengine.registry import MODELS

    from mmseg_multids.datasets.metainfo import whole_entry
    cfg = Config.fromfile(path)
    loss = cfg.model.decode_head.get('loss_decode')
    if isinstance(loss, dict) and loss.get('relations'):
        loss.relations = None  # the file of another run, which a build reads
    monkeypatch.setattr('torch.nn.init.kaiming_uniform_', lambda tensor, *_, **__: tensor)  # slow
    model = MODELS.build(cfg.model)
    names = {whole_entry(e)['name']: whole_entry(e).get('labels_of') for e in cfg.datasets}
    assert model.context.datasets == tuple(n for n, lender in names.items() if lender is None)
    assert set(model.context.sources) == set(names)
    assert 'test_pipeline' in cfg and 'tta_pipeline' in cfg
    # Pretraining on pseudo labels leaves out the dataset whose classes they have.
    trained = cfg.train_dataloader.dataset.datasets
    assert trained in (cfg.datasets, [e for e in cfg.datasets if names[whole_entry(e)['name']]])
    assert all(entry in cfg.datasets for entry in cfg.val_dataloader.dataset.datasets)
    unseen = cfg.get('unseen', [])
    assert all(entry not in cfg.datasets for entry in unseen)
    assert all(entry in [*cfg.datasets, *unseen] for entry in cfg.test_dataloader.dataset.datasets)


def test_tracked_files_name_no_absolute_paths():
    pattern = re.compile(r'(^|[^\w.:/])/(work|root|home|tmp)/')
    found = [str(p) for p in tracked_files() if p.suffix in ('.py', '.sh', '.md', '.txt', '.toml')
             and p.is_file() and p.name != 'test_package.py' and pattern.search(p.read_text())]
    assert found == []


def test_a_wheel_holds_tools_and_configs(tmp_path):
    source = tmp_path / 'source'
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(
        '.git', '.venv', '.mim', 'build', 'work_dirs', '*.egg-info', '__pycache__', 'data'))
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation',
                    '-w', str(tmp_path), str(source)], check=True, capture_output=True)
    wheel, = tmp_path.glob('*.whl')
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = {n.split('.mim/', 1)[1] for n in names if '.mim/' in n}
    expected = {str(p.relative_to(ROOT)) for folder in ('tools', 'configs')
                for p in (ROOT / folder).rglob('*') if p.suffix in ('.py', '.sh')}
    assert inside == expected
    assert 'mmseg_multids/label_spaces/unified.py' in names
    for folder in ('mappings', 'aliases'):
        files = list((ROOT / 'mmseg_multids' / 'label_spaces' / folder).glob('*.json'))
        assert files and {str(p.relative_to(ROOT)) for p in files} <= names
    assert not any(Path(n).parts[0] == 'tests' for n in names)
