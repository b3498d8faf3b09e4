import numpy as np
import pytest
import torch

from mmseg_multids.functional import labels_to_nodes, pixel_accuracy, sum_node_logits


@pytest.mark.parametrize('seed', range(5))
def test_sum_equals_a_loop_and_the_matrix_product(seed):
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.standard_normal((2, 9, 3, 4)))
    classes = rng.integers(-1, 4, 9)
    found = sum_node_logits(logits, torch.from_numpy(classes), 4)
    expected = torch.zeros(2, 4, 3, 4, dtype=torch.double)
    for node, c in enumerate(classes):
        if c >= 0:
            expected[:, c] += logits[:, node]
    torch.testing.assert_close(found, expected)
    matrix = torch.from_numpy((classes[None] == np.arange(4)[:, None]).astype(float))  # M [K, N]
    torch.testing.assert_close(found, torch.einsum('kn,bnhw->bkhw', matrix, logits))


def test_sum_has_the_right_gradient():
    logits = torch.randn(1, 5, 2, 2, dtype=torch.double, requires_grad=True)
    classes = torch.tensor([1, 0, -1, 1, 2])
    assert torch.autograd.gradcheck(lambda x: sum_node_logits(x, classes, 3), (logits,))


def test_a_permutation_is_only_a_reordering():
    logits = torch.randn(2, 4, 3, 3)
    order = torch.tensor([2, 0, 3, 1])
    found = sum_node_logits(logits, order, 4)
    assert torch.equal(found[:, order], logits)


@pytest.mark.parametrize(('classes', 'words'), [
    ([0, 1], 'has 3 nodes .* has 2'), ([0, 1, 5], 'from 0 to 5, allowed are -1 to 2'),
    ([-2, 0, 1], 'from -2')])
def test_sum_refuses_what_does_not_fit(classes, words):
    with pytest.raises(ValueError, match=words):
        sum_node_logits(torch.zeros(1, 3, 2, 2), torch.tensor(classes), 3)


def test_labels_to_nodes_keeps_ignored_pixels_ignored():
    labels = torch.tensor([[0, 2, 255], [1, 255, 0]])
    nodes = labels_to_nodes(labels, torch.tensor([300, 255, 7]), ignore_index=255)
    assert nodes.tolist() == [[300, 7, -1], [255, -1, 300]]  # node 255 is a node like any other
    with pytest.raises(ValueError, match='label id 3 is outside 0..2 and is not ignore_index=255'):
        labels_to_nodes(torch.tensor([3]), torch.tensor([0, 1, 2]), ignore_index=255)


def test_pixel_accuracy():
    logits = torch.eye(3)[None, :, None, :]  # predicts 0, 1, 2
    assert pixel_accuracy(logits, torch.tensor([[[0, 2, 255]]]), 255) == 50
    assert pixel_accuracy(logits, torch.tensor([[[255, 255, 255]]]), 255) == 0
