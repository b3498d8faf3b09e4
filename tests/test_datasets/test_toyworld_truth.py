from mmseg_multids.datasets.toyworld import leaf_to_class, leaves_of_class, true_relations
from mmseg_multids.datasets.toyworld.leaves import LEAF_ID
from mmseg_multids.label_spaces import LabelSpace, build_label_space


def space(*views, **options):
    spaces = [LabelSpace(view, list(leaves_of_class(view))) for view in views]
    return build_label_space({'type': 'by_name', 'aliases': 'toyworld.json', **options}, spaces)


def test_a_class_implies_what_another_dataset_calls_all_of_it():
    found = true_relations(space('city', 'asia', 'atlas'))
    assert ('atlas', 'Motorcyclist', 'rider') in found
    assert ('asia', 'guard rail', 'fence') in found
    assert ('atlas', 'Lane Marking', 'road') in found
    # Not the other way round, and not where a part is called something else.
    assert ('city', 'rider', 'Motorcyclist') not in found
    assert ('asia', 'curb', 'sidewalk') not in found  # its barriers have no label in city
    assert ('city', 'road', 'road') not in found  # its own node


def test_relations_equal_a_loop_over_leaves():
    unified = space('city', 'metro', 'asia', 'atlas')
    expected = set()
    for d in unified.datasets:
        for name, leaves in leaves_of_class(d).items():
            for other in unified.datasets:
                labels = {int(leaf_to_class(other)[LEAF_ID[leaf]]) for leaf in leaves}
                if len(labels) > 1 or labels == {255}:
                    continue
                node = unified.nodes[unified.node_of_class(other)[labels.pop()]]
                own = unified.nodes[unified.node_of_class(d)[unified.space(d).index(name)]]
                if node != own:
                    expected.add((d, name, node))
    assert true_relations(unified) == expected and len(expected) == 21


def test_datasets_may_have_other_names_than_their_views():
    spaces = [LabelSpace('a', list(leaves_of_class('city'))),
              LabelSpace('b', list(leaves_of_class('atlas')))]
    unified = build_label_space({'type': 'by_name'}, spaces)
    assert ('b', 'Bicyclist', 'rider') in true_relations(unified, {'a': 'city', 'b': 'atlas'})
