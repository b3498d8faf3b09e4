import itertools

import numpy as np
import pytest

from mmseg_multids.label_spaces import LabelSpace, match_by_name, normalise_name, unify_by_name

VOCABULARY = ['Road', 'side-walk', 'WALL', 'tree', 'traffic_sign', 'Straße', '道路', 'Café', 'n/a']
VARIANTS = [str, str.upper, lambda n: n.replace('_', ' '), lambda n: f' {n}  ']


def random_mix(seed):
    rng = np.random.default_rng(seed)
    spaces = []
    for d in range(int(rng.integers(1, 5))):
        words = rng.choice(VOCABULARY, size=int(rng.integers(2, 8)), replace=False)
        spaces.append(LabelSpace(f'd{d}', [VARIANTS[rng.integers(4)](str(w)) for w in words]))
    return spaces, rng


def partition(unified):
    """The nodes as sets of (dataset, class id)."""
    return {frozenset((d, int(unified.class_of_node(d)[n])) for d in unified.datasets
                      if unified.class_of_node(d)[n] >= 0) for n in range(unified.num_nodes)}


def components(spaces, linked):
    """Slow connected components over all pairs of classes."""
    items = [(s.name, i) for s in spaces for i in range(s.num_classes)]
    names = {(s.name, i): normalise_name(c) for s in spaces for i, c in enumerate(s.classes)}
    groups = [{item} for item in items]
    for a, b in itertools.combinations(items, 2):
        if linked(names[a], names[b]):
            first, second = (next(g for g in groups if x in g) for x in (a, b))
            if first is not second:
                groups.remove(second)
                first |= second
    return {frozenset(g) for g in groups}


@pytest.mark.parametrize('seed', range(25))
def test_nodes_are_the_distinct_names(seed):
    spaces, _ = random_mix(seed)
    unified = unify_by_name(spaces)
    assert partition(unified) == components(spaces, lambda a, b: a == b)
    assert len({normalise_name(n) for n in unified.nodes}) == unified.num_nodes
    for space in spaces:
        assert len(unified.node_of_class(space.name)) == space.num_classes


@pytest.mark.parametrize('seed', range(25))
def test_aliases_join_the_classes_of_both_names(seed):
    spaces, rng = random_mix(seed)
    present = sorted({normalise_name(c) for s in spaces for c in s.classes})
    a, b = (str(w) for w in rng.choice(present, size=2, replace=False))
    expected = components(spaces, lambda x, y: x == y or {x, y} == {a, b})
    if any(len({d for d, _ in node}) < len(node) for node in expected):
        with pytest.raises(ValueError, match='would become one node'):
            unify_by_name(spaces, aliases=[[a, b]])
    else:
        assert partition(unify_by_name(spaces, aliases=[[a, b]])) == expected


@pytest.mark.parametrize('seed', range(25))
def test_kept_apart_classes_never_share_a_node(seed):
    spaces, rng = random_mix(seed)
    entries = [f'{s.name}/{c}' for s in spaces for c in s.classes]
    pairs = [[str(e) for e in rng.choice(entries, size=2, replace=False)] for _ in range(3)]
    of = {f'{s.name}/{c}': (s.name, i) for s in spaces for i, c in enumerate(s.classes)}
    by_name = components(spaces, lambda a, b: a == b)
    for node in partition(unify_by_name(spaces, keep_apart=pairs)):
        assert not any(of[a] in node and of[b] in node for a, b in pairs)
        assert any(node <= group for group in by_name)


CITY = LabelSpace('city', ['wall', 'road'])
METRO = LabelSpace('metro', ['Wall', 'road'])
HAUS = LabelSpace('haus', ['Mauer'])


def shares_node(unified, a, b):
    nodes = []
    for entry in (a, b):
        dataset, _, name = entry.partition('/')
        nodes.append(unified.node_of_class(dataset)[unified.space(dataset).index(name)])
    return nodes[0] == nodes[1]


def test_an_alias_of_one_class_does_not_part_equal_names():
    unified = unify_by_name([CITY, METRO, HAUS], aliases=[['city/wall', 'haus/mauer']])
    assert shares_node(unified, 'city/wall', 'metro/Wall')
    assert shares_node(unified, 'metro/Wall', 'haus/Mauer')


@pytest.mark.parametrize('aliases', [[['wall', 'mauer'], ['city/road', 'metro/road']],
                                     [['mauer', 'metro/wall']]])
def test_plain_and_specific_entries_go_together(aliases):
    unified = unify_by_name([CITY, METRO, HAUS], aliases=aliases)
    assert shares_node(unified, 'metro/Wall', 'haus/Mauer')
    assert shares_node(unified, 'city/road', 'metro/road')


@pytest.mark.parametrize(('friend', 'other'), [('city/wall', 'metro/Wall'),
                                               ('metro/Wall', 'city/wall')])
def test_an_aliased_class_follows_its_alias_and_not_a_class_kept_apart_from_it(friend, other):
    unified = unify_by_name([CITY, METRO, HAUS], aliases=[[friend, 'haus/Mauer']],
                            keep_apart=[['city/wall', 'metro/wall']])
    assert shares_node(unified, friend, 'haus/Mauer')
    assert not shares_node(unified, other, 'haus/Mauer')


def test_a_conflict_can_be_solved_by_keeping_the_two_classes_apart():
    atlas = LabelSpace('atlas', ['wall', 'barrier'])
    asia = LabelSpace('asia', ['barrier'])
    mix, aliases = [CITY, atlas, asia], [['city/wall', 'asia/barrier']]
    with pytest.raises(ValueError, match="'wall' and 'barrier' of atlas"):
        unify_by_name(mix, aliases=aliases)
    unified = unify_by_name(mix, aliases=aliases, keep_apart=[['atlas/wall', 'atlas/barrier']])
    assert shares_node(unified, 'city/wall', 'asia/barrier')
    assert not shares_node(unified, 'atlas/wall', 'atlas/barrier')


def test_a_group_of_one_entry_gives_its_classes_nodes_of_their_own():
    plain = unify_by_name([CITY, METRO, HAUS], keep_apart=[['wall']])
    assert plain.nodes == ('wall', 'road', 'metro/Wall', 'Mauer')
    third = LabelSpace('third', ['wall'])
    single = unify_by_name([CITY, METRO, third], keep_apart=[['city/wall']])
    assert shares_node(single, 'metro/Wall', 'third/wall')
    assert not shares_node(single, 'city/wall', 'metro/Wall')


def test_class_names_may_contain_a_slash():
    a, b = LabelSpace('a', ['Road/Track', 'b']), LabelSpace('c', ['way', 'x'])
    assert shares_node(unify_by_name([a, b], aliases=[['road/track', 'way']]),
                       'a/Road/Track', 'c/way')
    assert shares_node(unify_by_name([a, b], aliases=[['a/Road/Track', 'c/way']]),
                       'a/Road/Track', 'c/way')


def test_two_equal_names_in_one_dataset_are_refused_and_named():
    with pytest.raises(ValueError, match="'Road' and 'road' of x would become one node"):
        unify_by_name([LabelSpace('x', ['Road', 'road'])])


def test_a_taken_node_name_gets_its_dataset_in_front():
    mix = [LabelSpace('a', ['b/x', 'x']), LabelSpace('b', ['x', 'y'])]
    nodes = unify_by_name(mix, keep_apart=[['x']]).nodes
    assert len(set(nodes)) == 4 and nodes[:2] == ('b/x', 'x')


@pytest.mark.parametrize(('groups', 'words'), [
    ([['city/gate', 'wall']], "'city/gate'.*city has wall, road"),
    ([['gate', 'wall']], "'gate'.*datasets: city, metro"),
    (['wall'], "the text 'wall'"),
    ('wall', "the text 'wall'"),
    ([[]], 'empty group'),
    ([['wall', 3]], 'got 3'),
])
@pytest.mark.parametrize('argument', ['aliases', 'keep_apart'])
def test_bad_groups_are_refused(argument, groups, words):
    with pytest.raises(ValueError, match=f'{argument}.*{words}'):
        unify_by_name([CITY, METRO], **{argument: groups})


def test_an_alias_group_of_one_name_is_refused():
    with pytest.raises(ValueError, match='aliases.*at least two'):
        unify_by_name([CITY, METRO], aliases=[['wall']])


def test_names_are_equal_whatever_their_unicode_form():
    assert normalise_name('Café') == normalise_name('CAFE\u0301') == 'café'
    assert normalise_name('STRASSE') == normalise_name('Straße')
    assert normalise_name('a\u00a0b') == 'a b'


def test_matching_prefers_the_equal_name_to_an_alias():
    source = LabelSpace('s', ['person', 'walker'])
    target = LabelSpace('t', ['pedestrian', 'Person'])
    found = match_by_name(source, target, aliases=[['person', 'pedestrian', 'walker']])
    np.testing.assert_array_equal(found, [1, 0])


def test_matching_follows_aliases_through_names_that_neither_has():
    source, target = LabelSpace('s', ['rider', 'x']), LabelSpace('t', ['y', 'cyclist'])
    groups = [['rider', 'bicyclist'], ['Bicyclist', 'cyclist'], ['s/x', 't/nothing']]
    np.testing.assert_array_equal(match_by_name(source, target, groups), [1, -1])
    np.testing.assert_array_equal(match_by_name(source, target, [['u/rider', 't/y']]), [-1, -1])


@pytest.mark.parametrize('seed', range(10))
def test_matching_agrees_with_a_slow_loop_and_with_unifying(seed):
    spaces, _ = random_mix(seed)
    source, target = spaces[0], spaces[-1]
    found = match_by_name(source, target)
    assert found.dtype == np.int64 and found.shape == (source.num_classes,)
    unified = unify_by_name([source, target]) if len(spaces) > 1 else None
    for i, name in enumerate(source.classes):
        same = [j for j, t in enumerate(target.classes)
                if normalise_name(t) == normalise_name(name)]
        assert found[i] == (same[0] if same else -1)
        if unified is not None:
            node = unified.node_of_class(source.name)[i]
            assert found[i] == unified.class_of_node(target.name)[node]
