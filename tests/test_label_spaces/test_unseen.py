import pytest

from mmseg_multids.label_spaces import (
    LabelSpace,
    match_nodes,
    unify_by_name,
    unify_disjoint,
    unused_aliases,
)

CITY = LabelSpace('city', ['road', 'rider', 'traffic sign', 'wall'])
ATLAS = LabelSpace('atlas', ['Road', 'motorcyclist', 'sign front', 'sign back', 'bin'])
NEW = LabelSpace('new', ['sky', 'traffic-sign', 'road', 'rider'])


def test_nodes_take_the_class_of_their_name():
    space = unify_by_name([CITY, ATLAS])
    assert dict(zip(space.nodes, match_nodes(space, NEW).tolist())) == {
        'road': 2, 'rider': 3, 'traffic sign': 1, 'wall': -1, 'motorcyclist': -1, 'sign front': -1,
        'sign back': -1, 'bin': -1}


def test_every_head_of_a_multi_head_model_takes_part_or_one():
    space = unify_disjoint([CITY, ATLAS])
    assert match_nodes(space, NEW).tolist() == [2, 3, 1, -1, 2, -1, -1, -1, -1]
    assert match_nodes(space, NEW, source='atlas').tolist() == [-1, -1, -1, -1, 2, -1, -1, -1, -1]


def test_an_equal_name_comes_before_an_alias():
    aliases = [['traffic sign', 'sign front'], ['rider', 'motorcyclist']]
    space = unify_disjoint([CITY, ATLAS])
    assert match_nodes(space, NEW, aliases).tolist() == [2, 3, 1, -1, 2, -1, -1, -1, -1]
    alone = unify_by_name([ATLAS])
    assert match_nodes(alone, NEW, aliases).tolist() == [2, 3, 1, -1, -1]


def test_aliases_may_name_the_unseen_dataset():
    space = unify_by_name([CITY])
    assert match_nodes(space, NEW, [['city/wall', 'new/sky']]).tolist() == [2, 3, 1, 0]


def test_aliases_without_effect_are_listed():
    aliases = [['wall', 'new/sky'], ['wal', 'sky'], ['road', 'carriageway']]
    assert unused_aliases(aliases, unify_by_name([CITY]), NEW) == ['wal, sky']
    assert unused_aliases(aliases[2:], unify_by_name([CITY]), LabelSpace('x', ['sky'])) == [
        'road, carriageway']


@pytest.mark.parametrize(('unseen', 'source', 'words'), [
    (LabelSpace('far', ['moon']), None, 'no class of far .moon, .* of city, atlas'),
    (NEW, 'mars', "source='mars': the label space has city, atlas"),
])
def test_errors(unseen, source, words):
    with pytest.raises(ValueError, match=words):
        match_nodes(unify_by_name([CITY, ATLAS]), unseen, None, source)
