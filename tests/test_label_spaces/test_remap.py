"""Mappings from one dataset's classes to another's: files, checks, id tables."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from mmseg_multids.datasets import label_space_from_cfg
from mmseg_multids.datasets.toyworld.views import IGNORE_INDEX, leaf_to_class
from mmseg_multids.label_spaces import match_by_name
from mmseg_multids.label_spaces.remap import MAPPINGS, read_remap, shipped_mappings

from ..conftest import ROOT

GOOD = {'source': 'farm', 'target': 'town', 'target_classes': ['road', 'sky'],
        'classes': {'track': 'road', 'field': None, 'air': 'sky', 'lane': 'road'}}
FARM = ('air', 'track', 'lane', 'field')


def write(folder, name='farm_to_town.json', **changes):
    content = {k: v for k, v in {**GOOD, **changes}.items() if v != 'left out'}
    path = folder / name
    path.write_text(json.dumps(content), encoding='utf-8')
    return path


def test_ids_follow_the_order_of_the_dataset_not_of_the_file(tmp_path):
    remap = read_remap(write(tmp_path))
    assert (remap.source, remap.target.name, remap.target.classes) == (
        'farm', 'town', ('road', 'sky'))
    ids = remap.ids(FARM)
    assert ids.tolist() == [1, 0, 0, 255] and ids.dtype == np.int64
    assert remap.ids(FARM[::-1]).tolist() == [255, 0, 0, 1]


def by_hand(remap, classes, stored, own):
    """The slow way for one stored id: the dataset's own table, then names; None is no class."""
    class_id = own.get(stored, stored)
    if class_id == 255:
        return 255
    if class_id >= len(classes):
        return None
    target = remap.classes[classes[class_id]]
    return 255 if target is None else remap.target.classes.index(target)


@pytest.mark.parametrize('own', [{}, {4: 255}, {0: 3, 1: 255, 2: 0, 3: 2}])
@pytest.mark.parametrize('targets', [('road', 'sky'), ('a', 'sky', 'b', 'c', 'd', 'e', 'road')])
def test_label_maps_join_the_datasets_own_table_and_the_mapping(tmp_path, own, targets):
    remap = read_remap(write(tmp_path, target_classes=targets))
    label_map = remap.label_map(FARM, own)
    for stored in range(256):
        new = label_map.get(stored, stored)
        expected = by_hand(remap, FARM, stored, own)
        if expected is None:  # no class of the source: no class of the target either
            assert len(targets) <= new < 255
        else:
            assert new == expected
    assert all(old != new for old, new in label_map.items())


def test_an_identity_changes_nothing(tmp_path):
    remap = read_remap(write(tmp_path, classes={'road': 'road', 'sky': 'sky'}))
    assert remap.label_map(('road', 'sky')) == {}


@pytest.mark.parametrize(('changes', 'words'), [
    ({'classes': 'left out'}, "needs the key 'classes'.*needed: source, target, target_classes"),
    ({'target_classes': 'left out', 'target': 'left out'}, "needs the key 'target'"),
    ({'mapping': {}}, "unknown key 'mapping'; allowed: source, .*notes"),
    ({'source': ''}, "source is ''; the name of a dataset"),
    ({'source': 3}, 'source is 3'),
    ({'target_classes': 'road'}, "classes of town is the text 'road'"),
    ({'target_classes': 7}, 'target_classes is 7; a list of names'),
    ({'target_classes': ['road', 'sky', 'road']}, "'road' 2 times"),
    ({'target_classes': ['road', None]}, 'target_classes has None'),
    ({'target_classes': [str(i) for i in range(255)]}, '255 target_classes; at most 254'),
    ({'target_palette': [[0, 0, 0]]}, '1 colours for 2 classes'),
    ({'target_palette': [1, 2]}, 'target_palette'),
    ({'classes': ['track']}, r"classes is \['track'\]; an object"),
    ({'classes': {'track': 'street', 'field': 'lawn', 'air': 'sky'}},
     "'track' to 'street', 'field' to 'lawn'; target_classes has no such.*road, sky"),
    ({'classes': {'track': 1}}, "'track' goes to 1; the name of a target class, or null"),
    ({'classes': {'track': None}}, 'no class of farm goes to a class of town'),
    ({'notes': {'barn': 'why'}}, "notes names 'barn', which is not among the classes"),
    ({'notes': ['why']}, 'notes'),
])
def test_bad_files_are_refused(tmp_path, changes, words):
    path = write(tmp_path, **changes)
    with pytest.raises(ValueError, match=f'(?s)farm_to_town.json.*{words}'):
        read_remap(path)


@pytest.mark.parametrize(('text', 'words'), [
    ('{"source": ', 'no JSON'), ('[1]', 'is a list; an object'),
    (json.dumps(GOOD)[:-1].replace('"air"', '"track"') + '}', "'track' twice"),
    ('\udcff', 'no text in UTF-8')])
def test_files_that_are_no_mapping(tmp_path, text, words):
    path = tmp_path / 'x.json'
    path.write_bytes(text.encode('utf-8', 'surrogateescape'))
    with pytest.raises(ValueError, match=f'x.json.*{words}'):
        read_remap(path)


def test_classes_that_do_not_fit_the_dataset_are_listed(tmp_path):
    remap = read_remap(write(tmp_path))
    with pytest.raises(ValueError, match=(
            "(?s)farm_to_town.json.*not listed: 'barn', 'hen'.*unknown: 'field', 'lane'.*"
            'air, track, barn, hen')):
        remap.ids(['air', 'track', 'barn', 'hen'])


def test_a_missing_file_says_what_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=(
            f"(?s)'nowhere.json'.*{tmp_path}/nowhere.json.*mappings/nowhere.json.*"
            'camvid_to_cityscapes.json')):
        read_remap('nowhere.json')
    with pytest.raises(FileNotFoundError) as error:
        read_remap('sub/camvid_to_cityscapes.json')  # only bare names mean shipped files
    assert 'sub/camvid_to_cityscapes.json' in str(error.value)
    with pytest.raises(ValueError, match='a file name, got 3'):
        read_remap(3)


def test_files_are_found_as_given_then_among_the_shipped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = read_remap('camvid_to_cityscapes.json')
    assert Path(shipped.path) == MAPPINGS / 'camvid_to_cityscapes.json'
    (tmp_path / 'sub').mkdir()
    write(tmp_path / 'sub')
    assert read_remap('sub/farm_to_town.json').source == 'farm'
    write(tmp_path, 'camvid_to_cityscapes.json')
    assert read_remap('camvid_to_cityscapes.json').source == 'farm'


def test_the_module_needs_numpy_only():
    code = ("import sys, mmseg_multids.label_spaces.remap as r; "
            "r.read_remap('camvid_to_cityscapes.json'); "
            "sys.exit(any(m in sys.modules for m in ('torch', 'mmseg', 'mmengine', 'mmcv')))")
    package = ROOT / 'mmseg_multids' / 'label_spaces'
    # The package itself imports the rest: load the room alone.
    load = (f"import sys, types; p = types.ModuleType('mmseg_multids'); p.__path__ = "
            f"[{str(package.parent)!r}]; sys.modules['mmseg_multids'] = p; ")
    assert subprocess.run([sys.executable, '-c', load + code]).returncode == 0


# ------------------------------------------------------------------ the shipped files


def spaces_by_name():
    spaces = {}
    for path in sorted((ROOT / 'configs' / '_base_' / 'datasets').glob('*.py')):
        space = label_space_from_cfg(Config.fromfile(path)[path.stem])
        spaces[space.name] = space
    return spaces


SPACES = spaces_by_name()
EXPECTED = [f'{a}_to_{b}.json' for pair in (
    ('bdd100k', 'cityscapes'), ('camvid', 'cityscapes'), ('coco_stuff182', 'cityscapes'),
    ('camvid11', 'ycor8'), ('camvid11', 'labelmefacade8'), ('city', 'asia'), ('city', 'atlas'))
    for a, b in (pair, pair[::-1])]


def test_both_directions_are_shipped():
    assert sorted(shipped_mappings()) == sorted(EXPECTED)


@pytest.mark.parametrize('name', shipped_mappings())
def test_shipped_files_fit_the_class_lists(name):
    remap = read_remap(name)
    assert name == f'{remap.source}_to_{remap.target.name}.json'
    source, target = SPACES[remap.source], SPACES[remap.target.name]
    assert remap.target == target and remap.target.palette == target.palette
    assert list(remap.classes) == list(source.classes)  # complete, and in the order of the ids
    assert (remap.ids(source.classes) != 255).any()
    for class_name, other in zip(source.classes, match_by_name(source, target)):
        assert other < 0 or remap.classes[class_name] == target.classes[other]


@pytest.mark.parametrize('names', [('bdd100k', 'cityscapes'), ('cityscapes', 'bdd100k')])
def test_cityscapes_and_bdd100k_have_the_same_classes(names):
    remap = read_remap('{}_to_{}.json'.format(*names))
    assert all(source == target for source, target in remap.classes.items())


@pytest.mark.parametrize(('file', 'known'), [
    ('camvid_to_cityscapes.json', {'Bicyclist': 'rider', 'Pavement': 'sidewalk',
                                   'SignSymbol': 'traffic sign', 'Tree': 'vegetation'}),
    ('cityscapes_to_camvid.json', {'rider': 'Bicyclist', 'traffic light': 'SignSymbol',
                                   'truck': 'Car', 'person': 'Pedestrian'}),
    ('coco_stuff182_to_cityscapes.json', {
        'person': 'person', 'stop sign': 'traffic sign', 'house': 'building', 'grass': 'terrain',
        'clouds': 'sky', 'cat': None, 'pavement': 'sidewalk', 'wall-tile': None}),
    ('cityscapes_to_coco_stuff182.json', {'rider': 'person', 'sidewalk': 'pavement',
                                          'building': 'building-other', 'pole': None}),
    ('camvid11_to_ycor8.json', {'Car': 'obstacle', 'Road': 'smooth trail', 'Pavement': None}),
    ('ycor8_to_camvid11.json', {'obstacle': None, 'high vegetation': 'Tree'}),
    ('camvid11_to_labelmefacade8.json', {'Pedestrian': None, 'Building': 'building'}),
    ('labelmefacade8_to_camvid11.json', {'window': 'Building', 'door': 'Building'}),
])
def test_some_well_known_classes(file, known):
    classes = read_remap(file).classes
    assert {name: classes[name] for name in known} == known


@pytest.mark.parametrize('name', [n for n in EXPECTED if n.startswith('city_') or 'to_city.' in n])
def test_toyworlds_mappings_follow_from_the_leaves(name):
    """A class goes where the leaf that it is named after goes; doubtful classes have a note."""
    remap = read_remap(name)
    table = leaf_to_class(remap.target.name)
    own = leaf_to_class(remap.source)
    for class_id, (source, target) in enumerate(remap.classes.items()):
        reached = set(table[own == class_id].tolist())
        new = IGNORE_INDEX if target is None else remap.target.index(target)
        if len(reached) == 1:
            assert {new} == reached, source
        else:
            assert new in reached and source in remap.notes, source
