"""Nodes that go on in another label space."""

import numpy as np
import pytest

from mmseg_multids.label_spaces import (
    LabelSpace,
    UnifiedLabelSpace,
    inherited_nodes,
    namesakes,
    unify_by_name,
    unify_disjoint,
)

ONE = LabelSpace('one', ['road', 'sky', 'car'])
TWO = LabelSpace('two', ['Sky', 'tree', 'road', 'person'])
NEW = LabelSpace('new', ['boat', 'Road', 'bush', 'person'])


@pytest.mark.parametrize('unify', [unify_disjoint, unify_by_name])
@pytest.mark.parametrize('spaces', [[NEW, TWO, ONE], [TWO, NEW], [ONE, TWO, NEW], [ONE]])
def test_datasets_that_stay_read_the_nodes_that_they_had(unify, spaces):
    old, new = unify([ONE, TWO]), unify(spaces)
    nodes = inherited_nodes(old, new)
    for dataset in {'one', 'two'} & set(new.datasets):
        np.testing.assert_array_equal(nodes[new.node_of_class(dataset)],
                                      old.node_of_class(dataset))
    # New are the nodes that only new datasets have.
    kept = [d for d in new.datasets if d != 'new']
    only_new = np.all([new.class_of_node(d) < 0 for d in kept], axis=0)
    np.testing.assert_array_equal(nodes < 0, only_new)


def test_a_class_of_several_nodes_keeps_them_all():
    nodes = ['person', 'road', 'sky', 'cloud', 'car', 'tree']
    table = {'one': [-1, 0, 1, 1, 2, -1], 'two': [3, 2, 0, -1, -1, 1]}
    old = UnifiedLabelSpace(nodes, [ONE, TWO], table)
    order = [3, 5, 2, 0, 4, 1]
    new = UnifiedLabelSpace(
        [nodes[i] for i in order] + ['boat', 'bush'], [ONE, TWO, NEW],
        {**{d: [table[d][i] for i in order] + [-1, -1] for d in table},
         'new': [-1, -1, -1, 3, -1, 1, 0, 2]})
    assert inherited_nodes(old, new).tolist() == [*order, -1, -1]
    # Without `two` both nodes of `sky` could be either: the names decide.
    alone = UnifiedLabelSpace(['cloud', 'road', 'sky', 'car'], [ONE], {'one': [1, 0, 1, 2]})
    assert inherited_nodes(old, alone).tolist() == [3, 1, 2, 4]
    renamed = UnifiedLabelSpace(['a', 'b', 'c', 'd'], [ONE], {'one': [1, 0, 1, 2]})
    assert inherited_nodes(old, renamed).tolist() == [2, 1, 3, 4]
    with pytest.raises(ValueError, match=r'one/sky was read from the node\(s\) sky, cloud and '
                                         'would be from sky'):
        inherited_nodes(old, unify_disjoint([ONE]))


def test_a_node_that_only_a_removed_dataset_held_together_becomes_two():
    old = unify_by_name([ONE, TWO, NEW], aliases=[['one/car', 'new/boat'],
                                                  ['two/tree', 'new/boat']])
    new = unify_by_name([ONE, TWO])
    nodes = inherited_nodes(old, new)
    assert nodes[new.node_of_class('one')[2]] == nodes[new.node_of_class('two')[1]] \
        == old.node_of_class('new')[0]


def test_changed_classes_are_listed():
    changed = LabelSpace('two', ['Sky', 'tree', 'street', 'person'])
    with pytest.raises(ValueError, match=r'(?s)have changed.*two: classes missing: road'
                                         '.*two: classes added: street'):
        inherited_nodes(unify_disjoint([ONE, TWO]), unify_disjoint([ONE, changed, NEW]))
    with pytest.raises(ValueError, match='one: same classes in another order'):
        inherited_nodes(unify_disjoint([ONE]),
                        unify_disjoint([LabelSpace('one', ['sky', 'road', 'car'])]))


def test_nodes_that_would_merge_are_refused():
    with pytest.raises(ValueError, match="one/car and two/tree have separate nodes in the "
                                         "checkpoint and would become one .'car'.*keep_apart"):
        inherited_nodes(unify_by_name([ONE, TWO]), unify_by_name(
            [ONE, TWO, NEW], aliases=[['one/car', 'new/boat'], ['two/tree', 'new/boat']]))


@pytest.mark.parametrize(('name', 'first', 'aliases', 'expected'), [
    ('Road', None, None, [('one', 0), ('two', 2)]),
    ('Road', 'two', None, [('two', 2)]),
    ('person', 'one', None, [('two', 3)]),
    ('bush', 'one', None, []),
    ('bush', 'one', [['bush', 'tree']], [('two', 1)]),
])
def test_classes_of_the_same_name(name, first, aliases, expected):
    new = unify_disjoint([ONE, NEW])
    node = int(new.node_of_class('new')[NEW.index(name)])
    assert namesakes(unify_disjoint([ONE, TWO]), new, node, first, aliases) == expected
