"""The descriptions of classes that come with the package fit the datasets of the configs."""

import json
import re

import pytest
from mmengine.config import Config

from mmseg_multids.datasets.metainfo import label_space_from_cfg
from mmseg_multids.label_spaces.text_features import (
    DESCRIPTIONS,
    read_descriptions,
    shipped_descriptions,
    texts_of,
)

from ..conftest import ROOT

CONFIGS = sorted((ROOT / 'configs' / '_base_' / 'datasets').glob('*.py'))


def spaces_in(config) -> list:
    """Return the label spaces of the dataset entries in a config."""
    entries = [value for _, value in Config.fromfile(config).items()
               if isinstance(value, dict) and 'name' in value]
    return [label_space_from_cfg(entry) for entry in entries]


def files_about(dataset: str) -> list[str]:
    """Return the shipped files whose ``dataset`` is this one."""
    return [name for name in shipped_descriptions() if json.loads(
        (DESCRIPTIONS / name).read_text(encoding='utf-8'))['dataset'] == dataset]


@pytest.mark.parametrize('config', CONFIGS, ids=lambda path: path.stem)
def test_all_classes_of_a_dataset_are_described(config):
    spaces = spaces_in(config)
    assert spaces
    for space in spaces:
        assert files_about(space.name) == [f'{space.name}.json']
        descriptions = read_descriptions(f'{space.name}.json')
        assert sorted(descriptions) == sorted(space.classes)
        assert texts_of(space, descriptions)[1] == []


@pytest.mark.parametrize('name', shipped_descriptions())
def test_descriptions_are_short_and_tell_classes_apart(name):
    data = json.loads((DESCRIPTIONS / name).read_text(encoding='utf-8'))
    assert name == f'{data["dataset"]}.json' and data['source'].strip()
    texts = read_descriptions(name)
    assert len(set(texts.values())) == len(texts)
    for text in texts.values():
        assert text.endswith('.') and len(re.findall(r'[.!?](?=\s|$)', text)) <= 3, text
        assert len(text.split()) <= 60, text
