"""Aliases in files: parts of mixes, checks."""

import json
import os
from pathlib import Path

import pytest

from mmseg_multids.label_spaces import (
    LabelSpace,
    build_label_space,
    read_alias_file,
    resolve_aliases,
    unify_by_name,
)
from mmseg_multids.label_spaces.alias_file import ALIASES, shipped_alias_files

FARM = LabelSpace('farm', ['track', 'air', 'barn'])
TOWN = LabelSpace('town', ['Road', 'sky', 'house'])
PARK = LabelSpace('park', ['path', 'sky'])
GOOD = {'datasets': ['farm', 'town', 'park'],
        'aliases': [['farm/track', 'town/road', 'park/path'], ['farm/air', 'town/sky']]}


def write(folder, name='rural.json', **changes):
    path = folder / name
    content = {k: v for k, v in {**GOOD, **changes}.items() if v != 'left out'}
    path.write_text(json.dumps(content), encoding='utf-8')
    return path


@pytest.mark.parametrize('as_text', [True, False])
def test_a_file_is_the_same_as_its_groups(tmp_path, as_text):
    path = write(tmp_path)
    cfg = {'type': 'by_name', 'aliases': str(path) if as_text else path}
    spaces = [FARM, TOWN, PARK]
    assert build_label_space(cfg, spaces) == unify_by_name(spaces, GOOD['aliases'])
    assert list(build_label_space(cfg, spaces).nodes) == ['track', 'air', 'barn', 'house']


def test_datasets_that_are_not_in_the_mix_are_left_out(tmp_path):
    path = write(tmp_path)
    other = LabelSpace('sea', ['water', 'sky'])
    assert resolve_aliases(path, [PARK, FARM, other]) == [['farm/track', 'park/path']]
    assert resolve_aliases(path, [PARK]) == []
    nodes = build_label_space({'type': 'by_name', 'aliases': path}, [PARK, FARM, other]).nodes
    assert list(nodes) == ['path', 'sky', 'air', 'barn', 'water']


def test_groups_are_taken_as_they_are():
    groups = [['a', 'b']]
    assert resolve_aliases(groups, [FARM]) is groups
    assert resolve_aliases(None, [FARM]) is None


def test_keep_apart_stands_beside_a_file(tmp_path):
    cfg = {'type': 'by_name', 'aliases': write(tmp_path), 'keep_apart': [['farm/air', 'town/sky']]}
    assert build_label_space(cfg, [FARM, TOWN]).num_nodes == 5


def test_a_file_that_does_not_fit_the_mix(tmp_path):
    path = write(tmp_path)
    with pytest.raises(ValueError, match=(
            'rural.json is about farm, town, park; none is in the mix, which has sea')):
        resolve_aliases(path, [LabelSpace('sea', ['water'])])
    with pytest.raises(ValueError, match=(
            "rural.json names 'farm/track'; farm has no such class, it has field")):
        resolve_aliases(path, [LabelSpace('farm', ['field']), TOWN])


@pytest.mark.parametrize(('changes', 'words'), [
    ({'datasets': 'left out'}, "needs the key 'datasets'; needed: datasets, aliases"),
    ({'aliases': 'left out'}, "needs the key 'aliases'"),
    ({'alias': []}, "unknown key 'alias'; allowed: datasets, aliases, notes"),
    ({'datasets': 'farm'}, "datasets is 'farm'; a list of names"),
    ({'datasets': []}, r'datasets is \[\]'),
    ({'datasets': ['farm', 3]}, r"datasets is \['farm', 3\]"),
    ({'aliases': {'farm/track': 'town/road'}}, 'aliases is {.*; a list of groups'),
    ({'aliases': [3]}, r'aliases is \[3\]; a list of groups'),
    ({'aliases': ['farm/track']}, "aliases is a list of groups.*'farm/track'"),
    ({'aliases': [['farm/track']]}, 'at least two names'),
    ({'aliases': [['farm/track', 3]]}, 'names are needed, got 3'),
    ({'aliases': [['track', 'town/road']]}, "has 'track'; in a file every name is dataset/class, "
                                            'with one of the datasets farm, town, park'),
    ({'aliases': [['frm/track', 'town/road']]}, "has 'frm/track'; in a file"),
    ({'aliases': [['farm/', 'town/road']]}, "has 'farm/'; in a file"),
    ({'notes': {'farm/barn': 'why'}}, "notes names 'farm/barn', which is not among the aliases"),
    ({'notes': ['why']}, r"notes is \['why'\]"),
])
def test_bad_files_are_refused(tmp_path, changes, words):
    with pytest.raises(ValueError, match=f'(?s)rural.json: .*{words}'):
        read_alias_file(write(tmp_path, **changes))


@pytest.mark.parametrize(('text', 'words'), [
    ('{"datasets": ', 'no JSON'), ('[1]', 'is a list; an object'),
    ('{"datasets": ["a"], "datasets": ["b"], "aliases": []}', "'datasets' twice"),
    ('\udcff', 'no text in UTF-8')])
def test_files_that_are_no_alias_file(tmp_path, text, words):
    path = tmp_path / 'x.json'
    path.write_bytes(text.encode('utf-8', 'surrogateescape'))
    with pytest.raises(ValueError, match=f'x.json.*{words}'):
        read_alias_file(path)


def test_files_are_found_as_given_then_among_the_shipped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Path(read_alias_file('uniseg_cibm.json').path) == ALIASES / 'uniseg_cibm.json'
    write(tmp_path, 'uniseg_cibm.json')
    assert read_alias_file('uniseg_cibm.json').datasets == ('farm', 'town', 'park')
    with pytest.raises(FileNotFoundError, match=(
            f"(?s)no alias file 'nowhere.json': looked for {tmp_path}{os.sep}nowhere.json, "
            '.*aliases.nowhere.json. Give the path .*uniseg_cibm.json')):
        read_alias_file('nowhere.json')
    with pytest.raises(ValueError, match="aliases needs a file name, got ''"):
        build_label_space({'type': 'by_name', 'aliases': ''}, [FARM])


def test_shipped_files():
    assert shipped_alias_files() == ['realbench.json', 'toyworld.json', 'uniseg_cibm.json']
