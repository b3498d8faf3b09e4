"""AutoUniSeg's equations against loops written from the paper."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from mmseg_multids.functional import (
    class_weights_of_nodes,
    link_weight,
    node_adjacency,
    orthogonality_loss,
    sum_node_logits,
)

SIZES = (3, 1, 4)


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_links_are_a_softmax_over_each_datasets_classes():
    weights = random(5, 8)
    found = node_adjacency(weights, SIZES)
    for node in range(5):
        start = 0
        for size in SIZES:
            total = sum(math.exp(weights[node, c]) for c in range(start, start + size))
            for c in range(start, start + size):
                assert found[node, c].item() == pytest.approx(math.exp(weights[node, c]) / total)
            start += size


def test_large_edge_weights_do_not_overflow():
    torch.testing.assert_close(node_adjacency(torch.full((2, 3), 1e4), (3,)),
                               torch.full((2, 3), 1 / 3))


def test_gradients_of_links():
    assert gradcheck(lambda w: node_adjacency(w, SIZES), random(4, 8).requires_grad_())


def test_links_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r'C = 8 classes are needed, got \[2, 7\]'):
        node_adjacency(torch.zeros(2, 7), SIZES)


@pytest.mark.parametrize('probability', [0.25, 0.9, 0.999])
def test_a_first_link_has_its_probability(probability):
    weights = torch.zeros(1, 4, dtype=torch.float64)
    weights[0, 2] = link_weight(probability, 4)
    assert weights.softmax(1)[0, 2].item() == pytest.approx(probability, rel=1e-5)


def test_impossible_probabilities_of_links_are_refused():
    assert link_weight(1.0, 1) == 0
    for wrong in (0.2, 1.0):
        with pytest.raises(ValueError, match=f'probability={wrong}: of 4 classes'):
            link_weight(wrong, 4)


@pytest.mark.parametrize('kind', ['p_log_p', 'log_p'])
def test_orthogonality_is_equation_seven(kind):
    features = random(4, 3)
    expected = 0.0
    for i in range(4):
        products = [math.exp(sum(features[j, d] * features[i, d] for d in range(3)))
                    for j in range(4)]
        p = products[i] / sum(products)
        expected -= (p if kind == 'p_log_p' else 1) * math.log(p)
    assert orthogonality_loss(features, kind).item() == pytest.approx(expected)
    assert gradcheck(lambda f: orthogonality_loss(f, kind), features.requires_grad_())


def test_the_printed_kind_turns_below_one_over_e():
    """A step against the gradient lets p fall where it is small, and rise with the other kind."""

    def p_after_a_step(kind, length):
        features = (length * torch.ones(6, 2, dtype=torch.float64)
                    + 0.01 * random(6, 2)).requires_grad_()
        orthogonality_loss(features, kind).backward()
        stepped = features.detach() - 1e-3 * features.grad
        return [(f @ f.T).softmax(0).diagonal().mean() for f in (features.detach(), stepped)]

    before, after = p_after_a_step('p_log_p', 0.3)  # p is about 1 / 6
    assert before < 1 / math.e and after < before
    before, after = p_after_a_step('log_p', 0.3)
    assert after > before


def test_one_node_has_no_loss_and_unknown_kinds_are_refused():
    assert orthogonality_loss(random(1, 3)) == 0
    with pytest.raises(ValueError, match="kind='entropy': allowed are p_log_p, log_p"):
        orthogonality_loss(random(2, 3), 'entropy')


def test_rows_of_classes_give_the_logits_of_equations_four_and_five():
    nodes, pixel = random(5, 3), random(3, seed=2)
    links = node_adjacency(random(5, 4, seed=1), (4,))
    expected = [sum(links[n, c] * sum(nodes[n, d] * pixel[d] for d in range(3)) for n in range(5))
                for c in range(4)]
    torch.testing.assert_close(class_weights_of_nodes(nodes, links) @ pixel, torch.stack(expected))
    assert gradcheck(class_weights_of_nodes, (nodes.requires_grad_(), links.requires_grad_()))


def test_boolean_links_sum_nodes():
    class_of_node = torch.tensor([1, 0, -1, 1, 2])
    links = class_of_node[:, None] == torch.arange(3)
    nodes, pixels = random(5, 3), random(2, 3, 2, 2, seed=1)
    rows = class_weights_of_nodes(nodes, links)
    torch.testing.assert_close(
        torch.einsum('kd,bdhw->bkhw', rows, pixels),
        sum_node_logits(torch.einsum('nd,bdhw->bnhw', nodes, pixels), class_of_node, 3))
