"""The command that prints second labels."""

import json
import sys

import pytest
import torch
from mmengine.config import Config

from mmseg_multids.label_spaces import ClassRelations
from mmseg_multids.registry import MODELS

from .test_launch import run

CONFIGS = 'configs/uniseg/uniseg_toyworld4_{}.py'


@pytest.fixture(scope='module')
def checkpoints(tmp_path_factory):
    """Random weights of the cosine and of the multi-head model."""
    from ..conftest import ROOT
    files = {}
    for kind in ('null', 'multihead'):
        cfg = Config.fromfile(ROOT / CONFIGS.format(kind))
        torch.manual_seed(0)
        model = MODELS.build(cfg.model)
        torch.nn.init.normal_(model.decode_head.classifier.weight, std=2.0)
        files[kind] = tmp_path_factory.mktemp(kind) / 'last.pth'
        torch.save({'meta': {'cfg': cfg.pretty_text}, 'state_dict': model.state_dict()},
                   files[kind])
    return files


def test_a_table_a_file_a_csv_and_a_picture(repo, checkpoints, tmp_path):
    checkpoint = checkpoints['null']
    out = run(repo, sys.executable, 'tools/class_relations.py', CONFIGS.format('null'),
              checkpoint, '--max-images', 1, '--tau', 0, '--csv', tmp_path / 'r.csv', '--picture',
              tmp_path / 'r.png').stdout
    file = checkpoint.parent / 'class_relations.json'
    relations = ClassRelations.from_json(file)
    assert 'primary label' in out and 'threshold tau: 0.0000' in out and str(file) in out
    assert len((tmp_path / 'r.csv').read_text().splitlines()) == 1 + len(relations.relations())
    assert (tmp_path / 'r.png').is_file()


def test_what_the_heads_say(repo, checkpoints, tmp_path):
    common = [sys.executable, 'tools/class_relations.py', CONFIGS.format('multihead'),
              checkpoints['multihead'], '--max-images', 1, '--similarity', 'heads']
    run(repo, *common, '--target', CONFIGS.format('classrel_from_file'), '--out',
        tmp_path / 'r.json')
    data = json.loads((tmp_path / 'r.json').read_text())
    assert data['above_own'] is False and data['tau'] == 0.5
    assert len(data['label_space']['nodes']) == 34
    done = run(repo, *common, check=False)
    assert done.returncode != 0 and '--similarity heads and --target CONFIG' in done.stderr
