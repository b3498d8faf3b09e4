"""Class relations against UniSeg's section 3.3."""

import json
import math

import numpy as np
import pytest

from mmseg_multids.label_spaces import (
    ClassRelations,
    LabelSpace,
    label_space_hash,
    unify_by_name,
    unify_disjoint,
)

CITY = LabelSpace('city', ['road', 'rider', 'car'])
ATLAS = LabelSpace('atlas', ['road', 'lane marking', 'motorcyclist', 'trailer', 'car'])
SPACE = unify_by_name([CITY, ATLAS])  # road, rider, car, lane marking, motorcyclist, trailer


def scores() -> dict:
    nodes = SPACE.nodes
    city = np.zeros((3, len(nodes)))
    atlas = np.zeros((5, len(nodes)))
    for matrix, space in ((city, CITY), (atlas, ATLAS)):
        for c, name in enumerate(space.classes):
            matrix[c, nodes.index(name)] = 0.5
    atlas[1, nodes.index('road')] = 0.6          # a class of atlas itself
    atlas[2, nodes.index('rider')] = 0.7         # another dataset's: sets the threshold
    atlas[3, nodes.index('car')] = 0.55          # above its own score, below the threshold
    city[1, nodes.index('motorcyclist')] = 0.45  # below its own score
    return {'city': city, 'atlas': atlas}


def relations(tau=None, **changes) -> ClassRelations:
    given = {**scores(), **changes}
    return ClassRelations(SPACE, given, {d: [10] * len(s) for d, s in given.items()}, tau,
                          {'checkpoint': 'some.pth'})


def table_by_loop(given: ClassRelations, dataset: str) -> np.ndarray:
    """Eq. (6), as printed."""
    own = SPACE.node_of_class(dataset).tolist()
    table = np.empty(given.scores[dataset].shape, dtype=int)
    for c in range(len(own)):
        for k in range(SPACE.num_nodes):
            s = given.scores[dataset][c]
            if k == own[c] or s[k] > max(given.tau, s[own[c]]):
                table[c, k] = 1
            elif k not in own:
                table[c, k] = -1
            else:
                table[c, k] = 0
    return table


@pytest.mark.parametrize('tau', [None, 0.0, 0.5, 0.65, 2.0])
@pytest.mark.parametrize('dataset', ['city', 'atlas'])
def test_the_table_is_equation_six(tau, dataset):
    found = relations(tau)
    np.testing.assert_array_equal(found.table(dataset), table_by_loop(found, dataset))


def test_the_threshold_is_the_mean_of_the_largest_scores_that_are_foreign():
    assert relations().tau == 0.7  # road of lane markings is no node of another dataset only
    more = scores()['city']
    more[1, SPACE.nodes.index('motorcyclist')] = 0.8
    assert relations(city=more).tau == pytest.approx((0.7 + 0.8) / 2)
    calm = {d: np.where(s > 0.5, 0.1, s) for d, s in scores().items()}
    calm['atlas'][1:4, 3:] = np.eye(3)
    without = relations(**calm)
    assert without.tau == math.inf and not without.relations()


def test_any_other_class_can_be_a_second_label():
    found = {(r.dataset, r.primary, r.secondary) for r in relations(0.5).relations()}
    assert found == {('atlas', 'lane marking', 'road'), ('atlas', 'motorcyclist', 'rider'),
                     ('atlas', 'trailer', 'car')}
    first = relations(0.5).relations()[0]
    assert (first.primary, first.score, first.own_score) == ('motorcyclist', 0.7, 0.5)
    assert relations(0.5).to_csv().splitlines()[:2] == [
        'dataset,primary label,secondary label,score,own score',
        'atlas,motorcyclist,rider,0.7000,0.5000']


def test_classes_without_pixels_have_no_relations():
    atlas = scores()['atlas']
    atlas[2] = np.nan
    found = relations(0.5, atlas=atlas)
    assert 'motorcyclist' not in {r.primary for r in found.relations()}
    assert (found.table('atlas')[2] == 1).sum() == 1
    assert relations(atlas=atlas).tau == math.inf


def test_files_are_readable_and_come_back(tmp_path):
    atlas = scores()['atlas']
    atlas[4] = np.nan
    found = relations(0.65, atlas=atlas)
    found.to_json(tmp_path / 'relations.json')
    again = ClassRelations.from_json(tmp_path / 'relations.json')
    assert again.tau == found.tau and again.about == {'checkpoint': 'some.pth'}
    for dataset in SPACE.datasets:
        np.testing.assert_allclose(again.scores[dataset], found.scores[dataset], atol=1e-6)
        np.testing.assert_array_equal(again.table(dataset), found.table(dataset))
    data = json.loads((tmp_path / 'relations.json').read_text())
    assert data['relations'] == ['atlas: motorcyclist -> rider']
    assert data['scores']['atlas'][4] == [None] * SPACE.num_nodes
    relations(math.inf).to_json(tmp_path / 'none.json')
    assert ClassRelations.from_json(tmp_path / 'none.json').tau == math.inf


def test_another_label_space_is_refused_with_hash_and_difference():
    other = unify_by_name([CITY, LabelSpace('atlas', ['road', 'lane marking', 'bus'])])
    with pytest.raises(ValueError, match=f'hash {label_space_hash(SPACE)}, the model has '
                                         f'{label_space_hash(other)}') as error:
        relations().check(other)
    assert 'classes missing: motorcyclist, trailer' in str(error.value)
    relations().check(unify_by_name([CITY, ATLAS]))
    coloured = LabelSpace('city', CITY.classes, [(1, 2, 3), (4, 5, 6), (7, 8, 9)])
    assert label_space_hash(unify_by_name([coloured, ATLAS])) == label_space_hash(SPACE)


@pytest.mark.parametrize(('change', 'words'), [
    (lambda d: d.update(format='1'), "format is '1'"),
    (lambda d: d.pop('tau'), "need 'tau'"),
    (lambda d: d.update(label_space_hash='0'), 'changed by hand'),
    (lambda d: d['scores'].pop('city'), 'scores are of atlas'),
    (lambda d: d['scores'].update(city=[[1.0]]), 'expected'),
])
def test_bad_files(tmp_path, change, words):
    data = relations().to_dict()
    change(data)
    (tmp_path / 'bad.json').write_text(json.dumps(data))
    with pytest.raises(ValueError, match=words) as error:
        ClassRelations.from_json(tmp_path / 'bad.json')
    assert 'bad.json' in str(error.value)
    with pytest.raises(FileNotFoundError, match='tools/class_relations.py'):
        ClassRelations.from_json(tmp_path / 'missing.json')


def test_classes_with_several_nodes_are_refused():
    from mmseg_multids.label_spaces import UnifiedLabelSpace
    several = UnifiedLabelSpace(['a', 'b', 'c'], [LabelSpace('one', ['x', 'y'])],
                                {'one': [0, 0, 1]})
    with pytest.raises(ValueError, match='several nodes: x'):
        ClassRelations(several, {'one': np.zeros((2, 3))}, {'one': [1, 1]})
    assert unify_disjoint([CITY, ATLAS]).num_nodes == 8


def test_a_file_gives_the_same_labels(tmp_path):
    """The threshold may equal a score, which must not be rounded to the other side."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        given = {d: rng.uniform(size=s.shape) for d, s in scores().items()}
        found = relations(**given)
        found.to_json(tmp_path / 'r.json')
        again = ClassRelations.from_json(tmp_path / 'r.json')
        assert again.relations() == found.relations() and again.tau == found.tau


def test_scores_of_other_classifiers_are_compared_with_the_threshold_alone(tmp_path):
    given = scores()
    found = ClassRelations(SPACE, given, {d: [10] * len(s) for d, s in given.items()},
                           above_own=False)
    assert found.tau == 0.5
    pairs = {r[:3] for r in found.relations()}
    assert pairs == {('atlas', 'lane marking', 'road'), ('atlas', 'motorcyclist', 'rider'),
                     ('atlas', 'trailer', 'car')}
    low = ClassRelations(SPACE, given, found.counts, tau=0.4, above_own=False)
    assert ('city', 'rider', 'motorcyclist') in {r[:3] for r in low.relations()}
    found.to_json(tmp_path / 'r.json')
    assert not ClassRelations.from_json(tmp_path / 'r.json').above_own
