"""The classifier that learns its label space."""

import numpy as np
import pytest
import torch

from mmseg_multids.label_spaces import LabelSpace, UnifiedLabelSpace, unify_disjoint
from mmseg_multids.models import GNNLabelMapper, MapperPhase

SPACES = [LabelSpace('one', ['road', 'sky', 'car']), LabelSpace('two', ['ground', 'car'])]
TEXT = {'encoder': {'type': 'hashing', 'dimensions': 12}, 'descriptions': False}
MERGED = UnifiedLabelSpace(['road', 'sky', 'car'], SPACES, {'one': [0, 1, 2], 'two': [0, -1, 1]})


def mapper(**options):
    torch.manual_seed(0)
    made = GNNLabelMapper(5, 4, text=TEXT, hidden=6, **options)
    made.bind(unify_disjoint(SPACES))
    made.init_weights()
    return made


def in_phase(phase, **options):
    made = mapper(**options)
    made.merge(MERGED)
    if phase > MapperPhase.GRAPH:
        made.solve()
    made.phase.fill_(int(phase))
    return made


def test_the_graph_is_equations_one_to_three():
    made = in_phase(MapperPhase.GRAPH)
    graph, nodes = made.graph, made.nodes
    with torch.no_grad():
        graph.edge_weights.normal_()
        found, links = graph(nodes)
        # Eq. (1): text features plus the dataset's embedding; nodes are random and learned.
        vertices = [graph.text_features[c] + graph.dataset_embedding[0 if c < 3 else 1]
                    for c in range(5)] + [graph.node_input[n] for n in nodes]
        weights = torch.zeros(8, 8)
        for n in range(3):
            for own in (range(3), range(3, 5)):
                total = sum(graph.edge_weights[n, c].exp() for c in own)
                for c in own:
                    weights[5 + n, c] = graph.edge_weights[n, c].exp() / total
        for layer in graph.layers:  # Eq. (3): W [X || M X]
            around = [sum(weights[r, c] * vertices[c] for c in range(8)) for r in range(8)]
            vertices = [torch.tanh(layer.lin_root(own) + layer.lin_rel(other))
                        for own, other in zip(vertices, around)]
    torch.testing.assert_close(found, torch.stack(vertices[5:]))
    torch.testing.assert_close(links, weights[5:, :5])
    assert len(graph.layers) == 3


def test_merging_gives_nodes_links_and_rows():
    made = mapper()
    assert made.learned_space() is None and made.num_outputs('unified') == 5
    made.merge(MERGED)
    assert made.nodes.tolist() == [0, 1, 2]
    links = made.graph.adjacency(made.nodes)
    assert links[0, 0].item() == pytest.approx(0.9, abs=1e-4)
    assert links[1, 3].item() == pytest.approx(0.5)  # nothing of `two` is in `sky`
    rows = made.heads.weight.flatten(1)
    torch.testing.assert_close(made.node_embedding[2], (rows[2] + rows[4]) / 2)
    assert made.marginal.tolist() == pytest.approx([1 / 3] * 3 + [0.5] * 2)


def test_first_links_follow_affinities_where_nothing_was_merged():
    made = mapper()
    affinities = np.zeros((5, 5))
    affinities[1, 4] = affinities[4, 1] = 1.0  # `sky` of one is near `car` of two
    affinities[1, 3] = affinities[3, 1] = 0.4
    affinities[2, 3] = 0.9  # `car` of one has a class of two already
    made.merge(MERGED, affinities)
    links = made.graph.adjacency(made.nodes)
    sure = np.log(9)  # of two classes one with 0.9
    logits = np.array([0.4, 1.0]) * sure
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(links[1, 3:].detach().numpy(), expected, rtol=1e-4)
    for node, column in ((0, 3), (2, 4), (0, 0), (1, 1), (2, 2)):
        assert links[node, column].item() == pytest.approx(0.9, abs=1e-4)
    made.merge(MERGED)  # forgotten
    assert made.graph.adjacency(made.nodes)[1, 3].item() == pytest.approx(0.5)


def test_affinities_of_a_node_are_the_mean_of_its_classes():
    made = mapper()
    three = [*SPACES, LabelSpace('three', ['road', 'thing'])]
    made = GNNLabelMapper(7, 4, text=TEXT, hidden=6)
    made.bind(unify_disjoint(three))
    merged = UnifiedLabelSpace(['road', 'sky', 'car', 'road 3', 'thing'], three, {
        'one': [0, 1, 2, -1, -1], 'two': [0, -1, 1, -1, -1], 'three': [-1, -1, -1, 0, 1]})
    affinities = np.random.default_rng(0).random((7, 7))
    made.merge(merged, affinities)
    weights = made.graph.edge_weights.detach().numpy()
    for c in (5, 6):  # node `road` is class 0 of one and class 0 (column 3) of two
        mean = (affinities[0, c] + affinities[3, c]) / 2
        assert weights[0, c] == pytest.approx(mean * np.log(9), rel=1e-5)


def test_names_of_a_file_stay():
    made = mapper()
    given = UnifiedLabelSpace(['carriageway', 'Himmel', 'ö' * 60], SPACES,
                              {'one': [0, 1, 2], 'two': [0, -1, 1]})
    made.merge(given, keep_names=True)
    made.phase.fill_(int(MapperPhase.FINAL))
    assert made.learned_space().nodes == ('carriageway', 'Himmel', 'ö' * 48)
    later = mapper()
    later.load_state_dict(made.state_dict())
    assert later.learned_space() == made.learned_space()
    made.merge(MERGED)
    assert made.learned_space().nodes == ('road', 'sky', 'car')


@pytest.mark.parametrize('phase', [MapperPhase.GRAPH, MapperPhase.SEGMENTATION, MapperPhase.FINAL])
def test_logits_are_equations_four_and_five(phase):
    made = in_phase(phase)
    embedding = torch.randn(2, 4, 3, 3)
    with torch.no_grad():
        nodes = made.classify(embedding, 'unified')
        for s, space in enumerate(SPACES):
            if phase == MapperPhase.GRAPH:
                columns = slice(0, 3) if s == 0 else slice(3, 5)
                links = made.graph.adjacency(made.nodes)[:, columns]
            else:
                classes = made.class_of_node[s, made.nodes]
                links = (classes[:, None] == torch.arange(space.num_classes)).float()
            expected = torch.einsum('bnhw,nk->bkhw', nodes, links)
            torch.testing.assert_close(made.classify(embedding, space.name), expected)


def test_the_last_loss_is_the_orthogonality_of_active_nodes():
    made = in_phase(MapperPhase.GRAPH, orthogonality='log_p', orthogonality_weight=0.5)
    features = made.graph(made.nodes)[0]
    log_p = (features @ features.T).log_softmax(0).diagonal()
    torch.testing.assert_close(made.losses()['loss_orthogonality'], -0.5 * log_p.sum())
    made.phase.fill_(int(MapperPhase.SEGMENTATION))
    assert made.losses() == {}


def test_a_batch_runs_the_graph_once(monkeypatch):
    made, calls = in_phase(MapperPhase.GRAPH), []
    forward = made.graph.forward
    monkeypatch.setattr(made.graph, 'forward', lambda nodes: calls.append(1) or forward(nodes))
    with made.at_hand():
        made.classify(torch.randn(1, 4, 2, 2), 'one')
        made.classify(torch.randn(1, 4, 2, 2), 'two')
        made.losses()
    assert len(calls) == 1
    made.classify(torch.randn(1, 4, 2, 2), 'one')
    assert len(calls) == 2


def test_every_node_has_a_class_until_links_are_pruned():
    made = in_phase(MapperPhase.FINAL)
    assert (made.class_of_node[:, made.nodes] >= 0).all()
    usage = {'one': np.array([9, 0, 0]), 'two': np.array([5, 0, 3])}
    before = made.class_of_node.clone()
    made.prune(usage)
    space = made.learned_space()
    assert space.datasets == ('one', 'two')
    for s, own in enumerate(SPACES):
        for c in range(own.num_classes):
            assert (made.class_of_node[s] == c).any()
    kept = made.class_of_node >= 0
    assert (made.class_of_node[kept] == before[kept]).all() and kept.sum() < (before >= 0).sum()


def test_a_state_fits_every_phase():
    states = [in_phase(phase).state_dict() for phase in list(MapperPhase)[1:]]
    assert {tuple((k, v.shape) for k, v in state.items()) for state in states} == {
        tuple((k, v.shape) for k, v in mapper().state_dict().items())}
    later = mapper()
    later.load_state_dict(states[-1])
    assert later.current_phase == MapperPhase.FINAL
    assert later.learned_space().to_dict() == in_phase(MapperPhase.FINAL).learned_space().to_dict()


def test_wrong_spaces_are_refused():
    made = mapper()
    with pytest.raises(ValueError, match='the label space is about one; the model has one, two'):
        made.merge(unify_disjoint(SPACES[:1]))
    many = UnifiedLabelSpace(list('abcdef'), SPACES, {'one': [0, 1, 2, 0, 1, 2],
                                                      'two': [0, 1, 0, 1, 0, 1]})
    with pytest.raises(ValueError, match='6 nodes: there is room for 5'):
        made.merge(many)
    with pytest.raises(ValueError, match="orthogonality='entropy': allowed are p_log_p, log_p"):
        GNNLabelMapper(5, 4, orthogonality='entropy')
