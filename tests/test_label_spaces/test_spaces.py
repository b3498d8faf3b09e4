import json
import subprocess
import sys

import numpy as np
import pytest

from mmseg_multids.label_spaces import (
    LabelSpace,
    UnifiedLabelSpace,
    build_label_space,
    format_label_space,
    match_by_name,
    normalise_name,
    unify_by_name,
    unify_disjoint,
)

CITY = LabelSpace('city', ['road', 'rider', 'wall'])
ATLAS = LabelSpace('atlas', ['Lane-Marking', 'ROAD', 'Bicyclist', 'Motorcyclist', 'wall '])


@pytest.mark.parametrize(('args', 'words'), [
    (('', ['a']), 'needs a name'),
    (('x', []), 'x has no classes'),
    (('x', ['a', 'b', 'a']), "'a' 2 times"),
    (('x', ['a', ' ']), 'class 1 of x has an empty name'),
    (('x', 'abc'), 'list of names'),
    (('x', ['a', 'b'], [[0, 0, 0]]), '1 colours for 2 classes'),
    (('x', ['a'], [[0, 0, 256]]), '256'),
])
def test_bad_label_spaces_are_refused(args, words):
    with pytest.raises(ValueError, match=words):
        LabelSpace(*args)


def test_generated_palettes_are_distinct_and_stable():
    palette = LabelSpace('x', [str(i) for i in range(250)]).palette
    assert len(set(palette)) == 250
    assert palette == LabelSpace('y', [str(i) for i in range(250)]).palette


def test_unknown_class_lists_the_known_ones():
    with pytest.raises(ValueError, match='road, rider, wall'):
        CITY.index('sky')


@pytest.mark.parametrize('name', ['Traffic_Sign', 'traffic-sign', ' TRAFFIC  sign '])
def test_names_are_compared_without_case_and_separators(name):
    assert normalise_name(name) == 'traffic sign'


def random_space(rng, datasets=3, nodes=12):
    """A random valid space: every class has a node, every node a class."""
    spaces, mapping = [], {}
    for d in range(datasets):
        classes = int(rng.integers(2, 6))
        column = np.concatenate([np.arange(classes), rng.integers(-1, classes, nodes - classes)])
        mapping[f'd{d}'] = rng.permutation(column)
        spaces.append(LabelSpace(f'd{d}', [f'c{i}' for i in range(classes)]))
    lonely = np.all([m < 0 for m in mapping.values()], axis=0)
    mapping['d0'][lonely] = 0
    return UnifiedLabelSpace([f'n{i}' for i in range(nodes)], spaces, mapping)


@pytest.mark.parametrize('seed', range(20))
def test_the_ways_to_read_a_space_agree(seed, tmp_path):
    space = random_space(np.random.default_rng(seed))
    for dataset in space.datasets:
        column = space.class_of_node(dataset)
        mapping = space.mapping(dataset)
        assert column.dtype == np.int64 and mapping.dtype == bool
        assert mapping.shape == (space.num_nodes, space.space(dataset).num_classes)
        assert (mapping.sum(axis=1) <= 1).all()
        for c in range(mapping.shape[1]):
            nodes = space.nodes_of_class(dataset, c)
            assert nodes.size >= 1
            assert set(nodes) == {n for n in range(space.num_nodes) if column[n] == c}
        several = [n for c, n in enumerate(space.space(dataset).classes)
                   if len(space.nodes_of_class(dataset, c)) > 1]
        assert space.classes_with_several_nodes(dataset) == several
        with pytest.raises(ValueError, match='read-only'):
            column[0] = 0
    assert len(set(space.palette)) == space.num_nodes
    path = tmp_path / 'deep' / 'space.json'
    space.to_json(path)
    assert UnifiedLabelSpace.from_json(path) == space
    assert [p.name for p in path.parent.iterdir()] == ['space.json']


def test_a_class_without_node_is_named():
    with pytest.raises(ValueError, match="1 class.* of city have no node: 'rider'"):
        UnifiedLabelSpace(['a', 'b'], [CITY], {'city': [0, 2]})


@pytest.mark.parametrize(('nodes', 'columns', 'words'), [
    (['a', 'a', 'b'], [0, 1, 2], "node 'a' is named more than once"),
    (['a', 'b', 'c', 'd'], [0, 1, 2, 3], "'d' has class 3 of city; allowed are -1 to 2"),
    (['a', 'b', 'c', 'd'], [0, 1, 2, -1], "'d' stands for no class"),
    (['a', 'b', 'c'], [0, 1], '3 integers'),
    (['a', 'b', 'c'], [0.0, 1.0, 2.0], 'float64'),
])
def test_bad_unified_spaces_are_refused(nodes, columns, words):
    with pytest.raises(ValueError, match=words):
        UnifiedLabelSpace(nodes, [CITY], {'city': columns})


def test_unknown_dataset_lists_the_known_ones():
    with pytest.raises(ValueError, match="'nowhere'; known: city, atlas"):
        unify_disjoint([CITY, ATLAS]).class_of_node('nowhere')


def test_node_of_class_names_the_classes_with_several_nodes():
    space = UnifiedLabelSpace(['a', 'b', 'c', 'd'], [CITY], {'city': [0, 1, 2, 1]})
    with pytest.raises(ValueError, match='rider'):
        space.node_of_class('city')
    np.testing.assert_array_equal(space.nodes_of_class('city', 1), [1, 3])


def test_disjoint_gives_every_class_a_node_of_its_own():
    space = unify_disjoint([CITY, ATLAS])
    assert space.num_nodes == 8
    assert space.nodes[:2] == ('city/road', 'city/rider')
    np.testing.assert_array_equal(space.class_of_node('atlas'), [-1] * 3 + [0, 1, 2, 3, 4])


def test_by_name_merges_equal_names():
    space = unify_by_name([CITY, ATLAS])
    assert space.nodes == ('road', 'rider', 'wall', 'Lane-Marking', 'Bicyclist', 'Motorcyclist')
    np.testing.assert_array_equal(space.node_of_class('atlas'), [3, 0, 4, 5, 2])


def test_aliases_merge_and_keep_apart_forbids():
    merged = unify_by_name([CITY, ATLAS], aliases=[['rider', 'atlas/bicyclist']])
    assert merged.num_nodes == 5
    assert merged.node_of_class('city')[1] == merged.node_of_class('atlas')[2]
    apart = unify_by_name([CITY, ATLAS], keep_apart=[['city/Wall', 'atlas/wall']])
    assert apart.num_nodes == 7 and 'atlas/wall ' in apart.nodes
    assert unify_by_name([CITY, ATLAS], keep_apart=[['road'], ['wall', 'rider']]).num_nodes == 7


def test_merging_two_classes_of_one_dataset_is_refused():
    with pytest.raises(ValueError, match="'Bicyclist' and 'Motorcyclist' of atlas"):
        unify_by_name([CITY, ATLAS], aliases=[['rider', 'Bicyclist', 'Motorcyclist']])


@pytest.mark.parametrize('argument', ['aliases', 'keep_apart'])
def test_misspelt_names_are_refused(argument):
    with pytest.raises(ValueError, match=f"{argument} names 'ridr'"):
        unify_by_name([CITY, ATLAS], **{argument: [['road', 'ridr']]})


def test_match_by_name():
    np.testing.assert_array_equal(match_by_name(ATLAS, CITY), [-1, 0, -1, -1, 2])
    np.testing.assert_array_equal(
        match_by_name(ATLAS, CITY, aliases=[['rider', 'bicyclist', 'motorcyclist']]),
        [-1, 0, 1, 1, 2])


@pytest.mark.parametrize(('text', 'words'), [
    ('{', 'space.json'),
    ('[]', 'not a unified label space'),
    ('{"format": "other"}', "format is 'other'"),
    ('{"format": "mmseg_multids/label_space/2"}', 'needed: format, datasets, nodes'),
])
def test_broken_files_are_named(tmp_path, text, words):
    path = tmp_path / 'space.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        UnifiedLabelSpace.from_json(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='nothing.json'):
        UnifiedLabelSpace.from_json(tmp_path / 'nothing.json')


def test_differences_are_said_in_words():
    old = unify_disjoint([CITY, ATLAS])
    assert old.differences(unify_disjoint([CITY, ATLAS])) == []
    text = '\n'.join(old.differences(unify_disjoint(
        [LabelSpace('city', ['road', 'wall', 'sky']), LabelSpace('asia', ['a', 'b'])])))
    for part in ('atlas is missing', 'asia was added', 'city: classes missing: rider',
                 'city: classes added: sky'):
        assert part in text
    swapped = unify_disjoint([LabelSpace('city', ['rider', 'road', 'wall']), ATLAS])
    assert 'city: same classes in another order' in old.differences(swapped)
    assert any('order of datasets' in d for d in old.differences(unify_disjoint([ATLAS, CITY])))
    moved = UnifiedLabelSpace(['a', 'b', 'c'], [CITY], {'city': [0, 1, 2]})
    other = UnifiedLabelSpace(['a', 'b', 'c'], [CITY], {'city': [0, 2, 1]})
    assert moved != other and 'b, c' in moved.differences(other)[0]


def test_build_from_config(tmp_path):
    spaces = [CITY, ATLAS]
    assert build_label_space({'type': 'disjoint'}, spaces).num_nodes == 8
    by_name = build_label_space({'type': 'by_name', 'aliases': [['rider', 'Bicyclist']]}, spaces)
    by_name.to_json(tmp_path / 'x.json')
    stored = {'type': 'file', 'path': str(tmp_path / 'x.json')}
    assert build_label_space(stored, spaces) == by_name
    with pytest.raises(ValueError, match='about other datasets(.|\n)*atlas is missing'):
        build_label_space(stored, [CITY])
    with pytest.raises(ValueError, match="'magic' is not known; allowed: disjoint, by_name, file"):
        build_label_space({'type': 'magic'}, spaces)
    with pytest.raises(ValueError, match="no argument 'alias'"):
        build_label_space({'type': 'by_name', 'alias': []}, spaces)


def test_report_names_what_is_shared_and_what_is_not():
    text = format_label_space(unify_by_name([CITY, ATLAS]))
    assert text.startswith('6 nodes for 8 classes of 2 dataset(s)')
    assert 'road  (city: road; atlas: ROAD)' in text
    assert 'only in city: 1 nodes' in text and 'only in atlas: 3 nodes' in text


def test_label_spaces_need_neither_torch_nor_mmengine(repo):
    code = '''
import sys, types
for name in ('torch', 'mmengine', 'mmseg', 'mmcv'):
    sys.modules[name] = None
package = types.ModuleType('mmseg_multids')
package.__path__ = [sys.argv[1] + '/mmseg_multids']
sys.modules['mmseg_multids'] = package
from mmseg_multids.label_spaces import LabelSpace, unify_disjoint
print(unify_disjoint([LabelSpace('a', ['x', 'y'])]).num_nodes)
'''
    out = subprocess.run([sys.executable, '-c', code, str(repo)], capture_output=True, text=True)
    assert out.stdout.strip() == '2', out.stderr


def test_to_dict_is_plain_json():
    data = unify_by_name([CITY, ATLAS]).to_dict()
    assert json.loads(json.dumps(data)) == data
