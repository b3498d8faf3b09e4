"""The whole of AutoUniSeg in one run."""

import copy

import pytest
import torch
from mmengine.runner import Runner

from mmseg_multids.apis.export_learned import renamed
from mmseg_multids.label_spaces import UnifiedLabelSpace, unify_by_name
from mmseg_multids.models import MapperPhase

from .test_class_relations_hook import staged
from .test_train_loop import weights

PHASES = [{'kind': 'heads', 'iters': 2}, {'kind': 'graph', 'iters': 2},
          {'kind': 'segmentation', 'iters': 2}, {'kind': 'graph', 'iters': 1},
          {'kind': 'final', 'iters': 4, 'prune_at': 0.5}]


def learning(tmp_path, phases=PHASES, **changes):
    cfg = staged(tmp_path, sum(p['iters'] for p in phases), **changes)
    # Every iteration is saved: a narrow network keeps that small.
    cfg.model.backbone.update(stem_channels=8, base_channels=8)
    cfg.model.decode_head.head.in_channels = [8, 16, 32, 64]
    cfg.model.label_space = {'type': 'disjoint'}
    cfg.model.decode_head.classifier = {'type': 'GNNLabelMapper', 'hidden': 8,
                                        'text': {'encoder': {'type': 'hashing', 'dimensions': 16}}}
    cfg.model.decode_head.loss_decode = {'type': 'PixelCrossEntropyLoss'}
    cfg.custom_hooks = [{'type': 'TrainingPhases', 'phases': copy.deepcopy(phases),
                         'merge_images': 2, 'prune_images': 2}]
    cfg.param_scheduler = [dict(type='PolyLR', power=0.9, by_epoch=False, begin=0)]
    return cfg


def auxiliary(cfg, **classifier):
    """Return an auxiliary head like the main one."""
    head = copy.deepcopy(cfg.model.decode_head)
    head.classifier.update(classifier)
    return head


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole')
    runner = Runner.from_cfg(learning(folder))
    runner.train()
    return folder, runner


def state(folder, iteration):
    return torch.load(folder / f'iter_{iteration}.pth', weights_only=False)['state_dict']


def moved(folder, before, after):
    first, second = state(folder, before), state(folder, after)
    return {key for key in first if not torch.equal(first[key], second[key])}


def test_each_phase_trains_its_own_part(whole):
    folder, _ = whole
    mapper = 'decode_head.classifier.'

    def parts(before, after):
        """Parts of the mapper, and whether anything else moved, batch norms too."""
        keys = moved(folder, before, after)
        own = {key[len(mapper):].split('.')[0] for key in keys if key.startswith(mapper)}
        return own, any(not key.startswith(mapper) for key in keys)

    assert parts(1, 2) == ({'heads'}, True)
    assert parts(3, 4) == ({'graph'}, False)
    assert parts(5, 6) == (set(), True)
    assert parts(8, 9) == ({'node_embedding'}, True)


@pytest.mark.parametrize('at', [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
def test_resuming_at_any_iteration_of_any_phase_gives_the_same_run(whole, tmp_path, at):
    folder, runner = whole
    again = Runner.from_cfg(learning(tmp_path, resume=True,
                                     load_from=str(folder / f'iter_{at}.pth')))
    again.train()
    expected, found = weights(runner), weights(again)
    assert all(torch.equal(expected[k], found[k]) for k in expected)


def test_the_learned_space_is_valid_and_written(whole):
    folder, runner = whole
    space = runner.model.label_space
    assert UnifiedLabelSpace.from_json(folder / 'label_spaces' / 'pruned.json').to_dict() \
        == space.to_dict()
    assert space.datasets == ('city', 'asia')
    assert space.num_nodes <= sum(s.num_classes for s in space.spaces.values())
    before = UnifiedLabelSpace.from_json(folder / 'label_spaces' / '5_final.json')
    # Before pruning every node has a class of every dataset.
    assert all((before.class_of_node(d) >= 0).all() for d in before.datasets)
    assert runner.model.decode_head.mapper.current_phase == MapperPhase.FINAL


def test_predictions_follow_the_links(whole):
    _, runner = whole
    model, mapper = runner.model.eval(), runner.model.decode_head.mapper
    embedding = torch.rand(1, 8, 4, 4)
    nodes = mapper.classify(embedding, 'unified')
    assert nodes.shape[1] == model.label_space.num_nodes == model.decode_head.num_outputs('unified')
    for dataset in ('city', 'asia'):
        found = mapper.classify(embedding, dataset)
        for c in range(found.shape[1]):
            own = model.label_space.nodes_of_class(dataset, c)
            torch.testing.assert_close(found[:, c], nodes[:, own].sum(1))


def test_a_classifier_of_merged_heads_without_any_graph(tmp_path):
    runner = Runner.from_cfg(learning(tmp_path, [{'kind': 'heads', 'iters': 1},
                                                 {'kind': 'final', 'iters': 1}]))
    runner.train()
    assert (tmp_path / 'label_spaces' / '2_final.json').is_file()


def test_learning_rates_of_phases(tmp_path):
    phases = [{'kind': 'heads', 'iters': 1}, {'kind': 'graph', 'iters': 1, 'lr_mult': 4.0},
              {'kind': 'final', 'iters': 1, 'lr_mult': 0.5}]
    cfg = learning(tmp_path, phases)
    cfg.param_scheduler = None
    runner = Runner.from_cfg(cfg)
    seen = []
    step = runner.model.train_step
    runner.model.train_step = lambda *a, **k: seen.append(
        runner.optim_wrapper.optimizer.param_groups[0]['lr']) or step(*a, **k)
    runner.train()
    assert seen == pytest.approx([0.01, 0.04, 0.005])


def test_loss_weights_of_phases(tmp_path):
    phases = [{'kind': 'heads', 'iters': 1}, {'kind': 'graph', 'iters': 1, 'ce_weight': 3.0},
              {'kind': 'final', 'iters': 1}]
    runner = Runner.from_cfg(learning(tmp_path, phases))
    mapper, seen = runner.model.decode_head.mapper, []
    step = runner.model.train_step
    runner.model.train_step = lambda *a, **k: seen.append(
        (mapper.dataset_loss_weight, mapper.orthogonality_weight)) or step(*a, **k)
    runner.train()
    assert seen == [(1.0, 0.01), (3.0, 0.01), (1.0, 0.01)]


def test_a_part_can_stand_still(tmp_path):
    phases = [{'kind': 'heads', 'iters': 1}, {'kind': 'final', 'iters': 1, 'frozen': ['backbone']}]
    runner = Runner.from_cfg(learning(tmp_path, phases))
    runner.train()
    keys = moved(tmp_path, 1, 2)
    assert not any(key.startswith('backbone') for key in keys)
    assert any(key.startswith('decode_head.head') for key in keys)


@pytest.mark.parametrize(('change', 'words'), [
    (lambda p: p[0].update(iters=0), r'phases\[0\] \(heads\) has 0 iterations'),
    (lambda p: p[1].update(kind='gnn'), "is of kind 'gnn'; allowed: heads, graph"),
    (lambda p: p[1].update(lr=3), "has no key 'lr'; allowed: kind, iters"),
    (lambda p: p[1].pop('iters'), "lacks 'iters'"),
    (lambda p: p.pop(1), "'segmentation' cannot come after 'heads'"),
    (lambda p: p[2].update(prune_at=0.5), 'prune_at=0.5: a share of the'),
    (lambda p: p[0].update(lr_mult=0), 'lr_mult=0: a number above 0'),
    (lambda p: p.clear(), 'phases is empty'),
    (lambda p: p[0].update(frozen='backbone'), "frozen is the text 'backbone'; a list"),
])
def test_phases_that_cannot_be_are_refused(tmp_path, change, words):
    cfg = learning(tmp_path)
    phases = [dict(phase) for phase in PHASES]
    change(phases)
    cfg.custom_hooks[0].phases = phases
    with pytest.raises(ValueError, match=words):
        Runner.from_cfg(cfg)


def test_phases_must_fill_the_run_and_need_a_mapper(tmp_path):
    cfg = learning(tmp_path)
    cfg.train_cfg.max_iters = 12
    with pytest.raises(ValueError, match=r'11 iterations \(2 \+ 2 \+ 2 \+ 1 \+ 4\)'):
        Runner.from_cfg(cfg).train()
    cfg = learning(tmp_path / 'b')
    cfg.model.decode_head.classifier = {'type': 'LinearNodeClassifier'}
    with pytest.raises(ValueError, match='needs model.decode_head.classifier'):
        Runner.from_cfg(cfg).train()


@pytest.mark.parametrize(('change', 'words'), [
    (lambda c: c.custom_hooks[0].update(penalty=-1), 'penalty=-1: a number from 0'),
    (lambda c: c.custom_hooks[0].update(merge_images=0), 'merge_images=0: at least 1'),
    (lambda c: c.custom_hooks[0].update(min_share=2.0), 'min_share=2.0: a share'),
    (lambda c: c.custom_hooks[0].phases[0].update(frozen=['bone']), "names 'bone', which is no"),
    (lambda c: c.model.decode_head.classifier.update(link_probability=1.5), 'link_probability=1.5'),
    (lambda c: c.model.decode_head.classifier.update(transport={'momentum': 7}), 'momentum=7'),
    (lambda c: c.model.decode_head.classifier.update(transport={'speed': 7}), 'speed'),
    (lambda c: c.model.decode_head.loss_decode.update(space='unified'), 'loss over the nodes'),
    (lambda c: c.custom_hooks[0].phases.pop(0), "first phase is 'graph', but no heads"),
    (lambda c: c.custom_hooks[0].update(first_links='names'), "'names': allowed are merges, aff"),
    (lambda c: c.custom_hooks[0].update(text_weight=-1), 'text_weight=-1: a number from 0'),
    (lambda c: c.custom_hooks.append({'type': 'EMAHook', 'begin_iter': 6}), 'set begin_iter=7'),
    (lambda c: c.model.update(auxiliary_head=auxiliary(c)), 'auxiliary_head.* is another one'),
])
def test_what_would_fail_after_days_is_refused_at_once(tmp_path, change, words):
    cfg = learning(tmp_path)
    change(cfg)
    cfg.train_cfg.max_iters = sum(phase.iters for phase in cfg.custom_hooks[0].phases)
    with pytest.raises(ValueError, match=words):
        Runner.from_cfg(cfg).train()


def test_training_goes_on_from_an_edited_label_space(whole, tmp_path):
    folder, runner = whole
    edited = unify_by_name(list(runner.model.label_space.spaces.values()))
    assert edited.num_nodes != runner.model.label_space.num_nodes
    edited = renamed(edited, {edited.nodes[0]: 'named by hand'})
    edited.to_json(tmp_path / 'edited.json')
    cfg = learning(tmp_path, [{'kind': 'final', 'iters': 2, 'prune_at': 0.5}],
                   load_from=str(folder / 'iter_11.pth'))
    cfg.custom_hooks[0].label_space = str(tmp_path / 'edited.json')
    again = Runner.from_cfg(cfg)
    again.train()
    written = UnifiedLabelSpace.from_json(tmp_path / 'label_spaces' / '1_final.json')
    for dataset in edited.datasets:
        assert (written.class_of_node(dataset) == edited.class_of_node(dataset)).all()
    assert written.nodes == edited.nodes
    assert (tmp_path / 'label_spaces' / 'pruned.json').is_file()


def test_an_average_may_begin_with_the_last_phase(tmp_path):
    cfg = learning(tmp_path)
    cfg.custom_hooks.append({'type': 'EMAHook', 'begin_iter': 7, 'momentum': 0.5})
    runner = Runner.from_cfg(cfg)
    runner.train()
    average = next(h for h in runner.hooks if type(h).__name__ == 'EMAHook').ema_model.module
    assert average.label_space == runner.model.label_space
    assert bool(average.decode_head.mapper.pruned)


def test_first_links_come_from_heads_and_texts(tmp_path):
    found = {}
    for kind in ('merges', 'affinity'):
        cfg = learning(tmp_path / kind, PHASES[:1] + PHASES[-1:])
        cfg.custom_hooks[0].first_links = kind
        runner = Runner.from_cfg(cfg)
        runner.train()
        mapper = runner.model.decode_head.mapper
        with torch.no_grad():
            links = mapper.graph.adjacency(torch.arange(len(mapper.active)))
        found[kind] = links
    sizes = mapper.sizes
    # Without affinities a node has equal links wherever it has no merged one.
    equal = [(part - 1 / n).abs().amax(1) < 1e-6
             for part, n in zip(found['merges'].split(sizes, 1), sizes)]
    active = mapper.active.clone()
    apart = [(part - 1 / n).abs().amax(1) > 1e-4
             for part, n in zip(found['affinity'].split(sizes, 1), sizes)]
    assert any((rows & active).any() for rows in equal)
    for rows, moved in zip(equal, apart):
        assert moved[rows & active].all() and not moved[~active].any()


def test_weights_of_other_phases_are_refused(whole, tmp_path):
    folder, _ = whole
    other = [{'kind': 'heads', 'iters': 7}, {'kind': 'final', 'iters': 4}]
    cfg = learning(tmp_path, other, resume=True, load_from=str(folder / 'iter_5.pth'))
    with pytest.raises(ValueError, match='at iteration 5 1 of the phases have begun, in the'):
        Runner.from_cfg(cfg).train()
    longer = [dict(phase) for phase in PHASES]
    longer[-1]['iters'] = 5
    cfg = learning(tmp_path, longer, resume=True, load_from=str(folder / 'iter_5.pth'))
    with pytest.raises(ValueError, match='or the phases have other lengths'):
        Runner.from_cfg(cfg).train()


def test_shared_nodes_are_refused(tmp_path):
    cfg = learning(tmp_path)
    cfg.model.label_space = {'type': 'by_name'}
    with pytest.raises(ValueError, match="needs label_space=dict.type='disjoint'"):
        Runner.from_cfg(cfg)


