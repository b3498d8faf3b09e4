import json

import numpy as np
import pytest

from mmseg_multids.label_spaces import (
    LabelSpace,
    UnifiedLabelSpace,
    build_label_space,
    format_label_space,
    unify_by_name,
    unify_disjoint,
)
from mmseg_multids.label_spaces.space import distinct_colours

CITY = LabelSpace('city', ['road', 'wall'], [[128, 64, 128], [0, 0, 0]])
ASIA = LabelSpace('asia', ['道路', 'Wall', 'Café'])


def test_a_file_keeps_names_and_colours(tmp_path):
    path = tmp_path / 'space.json'
    space = unify_by_name([CITY, ASIA])
    space.to_json(path)
    again = UnifiedLabelSpace.from_json(path)
    assert again == space and again.nodes == space.nodes
    assert [s.palette for s in again.spaces.values()] == [CITY.palette, ASIA.palette]
    assert '道路' in path.read_text(encoding='utf-8')
    again.to_json(tmp_path / 'again.json')
    assert (tmp_path / 'again.json').read_bytes() == path.read_bytes()


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'space.json'
    unify_disjoint([CITY]).to_json(path)
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise OSError('disk full')
    monkeypatch.setattr('os.replace', fail)
    with pytest.raises(OSError, match='disk full'):
        unify_disjoint([ASIA]).to_json(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ['space.json']


@pytest.mark.parametrize('key', ['nodes', 'datasets', 'links'])
@pytest.mark.parametrize('value', [None, 5, 'ab', [1], [[]], {'city': 'x'},
                                   {'city': [[0], [1, 2]]}])
def test_any_wrong_part_names_the_file(tmp_path, key, value):
    path = tmp_path / 'space.json'
    path.write_text(json.dumps({**unify_disjoint([CITY]).to_dict(), key: value}))
    with pytest.raises(ValueError, match='space.json(: | is no )'):
        UnifiedLabelSpace.from_json(path)


@pytest.mark.parametrize(('edit', 'message'), [
    (lambda n: n[0].update(name='wall'), "the node 'wall' is named more than once"),
    (lambda n: n[0]['classes'].update(city='raod'), "'road': city has no class 'raod'"),
    (lambda n: n[0]['classes'].update(mars='road'), "'road': there is no dataset 'mars'"),
    (lambda n: n[0].update(classes='road'), "'road': classes is 'road'; an object"),
    (lambda n: n[0].update(colour=1), "'road': unknown key 'colour'"),
    (lambda n: n[0].pop('classes'), "'road': it needs the key 'classes'"),
    (lambda n: n[0]['classes'].clear(), r"1 class\(es\) of city have no node: 'road'"),
    (lambda n: n.append({'name': 'new', 'classes': {}}), "node 'new' stands for no class"),
    (lambda n: n.__setitem__(0, 'road'), 'node 0: the content is a str')])
def test_what_is_wrong_in_an_edited_node_is_named(tmp_path, edit, message):
    data = unify_by_name([CITY, ASIA]).to_dict()
    edit(data['nodes'])
    (tmp_path / 'edited.json').write_text(json.dumps(data))
    with pytest.raises(ValueError, match=f'edited.json: .*{message}'):
        UnifiedLabelSpace.from_json(tmp_path / 'edited.json')


def test_a_node_is_a_line_that_can_be_edited(tmp_path):
    path = tmp_path / 'space.json'
    unify_by_name([CITY, ASIA]).to_json(path)
    line = '{"name": "wall", "classes": {"city": "wall", "asia": "Wall"}}'
    text = path.read_text(encoding='utf-8')
    assert line in text
    # Split the node, and rename one half.
    path.write_text(text.replace(line, '{"name": "wall", "classes": {"city": "wall"}},\n'
                                 '{"name": "fence", "classes": {"asia": "Wall"}}'),
                    encoding='utf-8')
    again = UnifiedLabelSpace.from_json(path)
    assert again.num_nodes == 5 and again.class_of_node('asia')[again.nodes.index('fence')] == 1


@pytest.mark.parametrize('value', ['a', {}, {'name': 'city'}, {'name': 'city', 'classes': 3},
                                   {'name': 'city', 'classes': ['road', 'wall'], 'palette': 7}])
def test_a_wrong_dataset_in_a_file_is_refused(tmp_path, value):
    path = tmp_path / 'space.json'
    path.write_text(json.dumps({**unify_disjoint([CITY]).to_dict(), 'datasets': [value]}))
    with pytest.raises(ValueError, match='space.json(: | is no )'):
        UnifiedLabelSpace.from_json(path)


@pytest.mark.parametrize('content', [b'', b'\xff\xfe\x00', b'{"format": '])
def test_files_that_are_no_json_are_named(tmp_path, content):
    (tmp_path / 'space.json').write_bytes(content)
    with pytest.raises(ValueError, match='space.json(: | is no )'):
        UnifiedLabelSpace.from_json(tmp_path / 'space.json')


@pytest.mark.parametrize(('count', 'least'), [(20, 80), (60, 55), (250, 25), (1000, 12)])
def test_colours_can_be_told_apart(count, least):
    colours = np.array(distinct_colours(count))
    assert colours.min() >= 0 and colours.max() <= 255
    apart = np.sqrt(((colours[:, None] - colours[None]) ** 2).sum(-1))
    assert apart[~np.eye(count, dtype=bool)].min() >= least
    assert distinct_colours(count)[:10] == distinct_colours(10)


def test_more_colours_than_any_mix_needs_still_end():
    assert len(set(distinct_colours(4500))) == 4500


def test_a_nodes_colour_is_that_of_its_first_dataset():
    space = unify_by_name([CITY, LabelSpace('x', ['sky', 'road'], [[128, 64, 128], [9, 9, 9]])])
    assert space.palette[:2] == CITY.palette
    assert len(set(space.palette)) == 3  # `sky` has the road's colour in x


def test_disjoint_is_what_a_config_gets_without_a_type():
    for cfg in (None, {}):
        assert build_label_space(cfg, [CITY, ASIA]) == unify_disjoint([CITY, ASIA])


def test_a_stored_space_must_fit_the_order_and_classes_of_the_config(tmp_path):
    cfg = {'type': 'file', 'path': str(tmp_path / 'x.json')}
    unify_by_name([CITY, ASIA]).to_json(cfg['path'])
    with pytest.raises(ValueError, match='x.json(.|\n)*order of datasets'):
        build_label_space(cfg, [ASIA, CITY])
    with pytest.raises(ValueError, match='city: same classes in another order'):
        build_label_space(cfg, [LabelSpace('city', ['wall', 'road']), ASIA])
    with pytest.raises(ValueError, match='needs the `path`'):
        build_label_space({'type': 'file'}, [CITY])


def test_differences_name_a_moved_node_also_when_datasets_changed_places():
    old = UnifiedLabelSpace(['a', 'b'], [CITY], {'city': [0, 1]})
    assert 'nodes: 2 became 3; added: c' in old.differences(
        UnifiedLabelSpace(['a', 'b', 'c'], [CITY], {'city': [0, 1, 1]}))
    lines = old.differences(UnifiedLabelSpace(['b', 'a'], [CITY], {'city': [1, 0]}))
    assert lines == ['nodes: 2 became 2; in another order']


def test_long_differences_are_cut():
    big = LabelSpace('big', [f'c{i}' for i in range(300)])
    line = unify_disjoint([big]).differences(unify_disjoint([LabelSpace('big', ['x', 'y'])]))[0]
    assert 'c0, c1' in line and 'and 290 more' in line and len(line) < 200


def test_the_report_names_equal_names_that_are_separate_nodes():
    text = format_label_space(unify_disjoint([CITY, ASIA]))
    assert 'the same name but separate nodes: 1' in text
    assert 'wall  (city: wall; asia: Wall)' in text
    assert 'the same name but separate nodes' not in format_label_space(unify_by_name([CITY, ASIA]))


def test_the_report_lists_each_datasets_classes():
    lines = format_label_space(unify_by_name([CITY, ASIA])).splitlines()
    start = lines.index('classes of asia:')
    assert [line.split('  ')[-1] for line in lines[start + 1:start + 4]] == [
        '道路', 'Wall -> wall', 'Café']
