"""Algorithm 2 of AutoUniSeg: transport, repair and marginals."""

import numpy as np
import pytest

from mmseg_multids.label_spaces import LabelSpace, UnifiedLabelSpace
from mmseg_multids.label_spaces.transport import repaired, solve_mapping, transport_plan


def repaired_by_loop(plan):
    """The inner loop of Algorithm 2, on the boolean matrix as it is printed."""
    classes, nodes = plan.shape
    m = np.zeros((classes, nodes), dtype=int)
    for k in range(nodes):
        m[int(np.argmax(plan[:, k])), k] = 1
    for j in range(classes):
        if m[j].max() == 0:
            for k in sorted(range(nodes), key=lambda k: (-plan[j, k], k)):
                present = int(np.argmax(m[:, k]))
                if m[present].sum() > 1:
                    m[present, k], m[j, k] = 0, 1
                    break
    return m.argmax(axis=0)


@pytest.mark.parametrize('seed', range(20))
def test_the_repair_is_algorithm_two(seed):
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(1, 12))
    plan = rng.uniform(size=(classes, classes + int(rng.integers(0, 8)))).round(seed % 3)
    found = repaired(plan.argmax(axis=0), plan)
    assert found.tolist() == repaired_by_loop(plan).tolist()


def sinkhorn_by_loop(scores, a, b, reg, reg_m):
    """Generalised Sinkhorn iterations with KL terms (Chizat et al., 2018)."""
    kernel = np.exp(-(1 - scores) / reg) * b[:, None] * a[None]
    u, v = np.ones(len(b)), np.ones(len(a))
    for _ in range(3000):
        u = (b / (kernel @ v)) ** (reg_m / (reg_m + reg))
        v = (a / (kernel.T @ u)) ** (reg_m / (reg_m + reg))
    return u[:, None] * kernel * v[None]


def test_the_plan_solves_the_unbalanced_transport():
    rng = np.random.default_rng(0)
    scores = rng.uniform(size=(4, 6))
    a, b = np.full(6, 1 / 6), np.array([0.1, 0.2, 0.3, 0.4])
    plan = transport_plan(scores, a, b, regularisation=0.1, relaxation=1.0)
    np.testing.assert_allclose(plan, sinkhorn_by_loop(scores, a, b, 0.1, 1.0), rtol=1e-4)


def test_strict_marginals_are_kept():
    rng = np.random.default_rng(1)
    scores = rng.uniform(size=(3, 5))
    b = np.array([0.5, 0.3, 0.2])
    plan = transport_plan(scores, np.full(5, 0.2), b, relaxation=1e4, max_iterations=20000)
    np.testing.assert_allclose(plan.sum(axis=1), b, atol=1e-3)
    np.testing.assert_allclose(plan.sum(axis=0), 0.2, atol=1e-3)


@pytest.mark.parametrize('seed', range(30))
def test_every_mapping_is_valid(seed):
    """Random scores up to N = 500, L = 150: ties, zeros, hardly more nodes than classes."""
    rng = np.random.default_rng(seed)
    nodes = int(rng.integers(2, 500)) if seed % 3 else int(rng.integers(2, 20))
    classes = int(rng.integers(1, min(nodes, 150) + 1))
    classes = min(nodes, 150) if seed % 5 == 0 else classes
    scores = rng.uniform(size=(classes, nodes))
    kind = seed % 4
    if kind == 1:
        scores = scores.round(1)  # ties
    elif kind == 2:
        scores[:] = 0
    elif kind == 3:
        scores[rng.uniform(size=scores.shape) < 0.95] = 0
        scores[scores > 0] = 1
    marginal = None
    for _ in range(3):
        found = solve_mapping(scores, marginal, momentum=0.5)
        assert set(found.class_of_node.tolist()) == set(range(classes))
        assert np.isfinite(found.marginal).all() and (found.marginal > 0).all()
        marginal = found.marginal
    space = LabelSpace('d', [f'c{i}' for i in range(classes)])
    UnifiedLabelSpace([f'n{i}' for i in range(nodes)], [space], {'d': found.class_of_node})


def test_clear_links_are_kept():
    scores = np.full((3, 4), 0.01)
    scores[[0, 1, 2, 2], [2, 0, 1, 3]] = 0.97
    assert solve_mapping(scores).class_of_node.tolist() == [1, 2, 0, 2]


def test_the_next_marginal_is_a_mean_of_the_old_one_and_the_plans():
    rng = np.random.default_rng(5)
    scores = rng.uniform(size=(3, 6))
    old = np.array([0.2, 0.3, 0.5])
    plan = transport_plan(scores, np.full(6, 1 / 6), old)
    np.testing.assert_allclose(solve_mapping(scores, old, momentum=0.7).marginal,
                               0.7 * old + 0.3 * plan.sum(axis=1))


@pytest.mark.parametrize(('call', 'words'), [
    (lambda: solve_mapping(np.ones((4, 3))), '4 classes cannot be linked to 3 nodes'),
    (lambda: solve_mapping(np.full((2, 3), np.nan)), 'scores are not finite'),
    (lambda: solve_mapping(np.ones((2, 3)), np.array([0.0, 1])), 'marginals must be above 0'),
    (lambda: solve_mapping(np.ones((2, 3)), momentum=2), 'momentum=2'),
    (lambda: transport_plan(np.ones((2, 3)), np.ones(2), np.ones(2)), r'shape \(2, 3\)')])
def test_bad_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
