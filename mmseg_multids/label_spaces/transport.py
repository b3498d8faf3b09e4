"""From soft links between nodes and classes to a valid mapping (AutoUniSeg, Appendix C).

Needs POT.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Mapping(NamedTuple):
    """One dataset's mapping of nodes to classes."""

    #: The class of each node. Shape [N], int64.
    class_of_node: np.ndarray
    #: The marginal of the classes for the next solution (the last lines of Algorithm 2). Shape [L].
    marginal: np.ndarray


def transport_plan(scores: np.ndarray, node_marginal: np.ndarray, class_marginal: np.ndarray,
                   regularisation: float = 0.05, relaxation: float = 1.0,
                   max_iterations: int = 1000) -> np.ndarray:
    """Move mass from nodes to classes where scores are high: unbalanced optimal transport.

    Minimises the transport's costs (1 - score) with Kullback-Leibler terms that keep the plan near
    the product of the marginals, and its own marginals near them; stabilised, in double precision.

    Args:
        scores: From 0 to 1. Shape [L, N].
        node_marginal: Mass of each node. Shape [N].
        class_marginal: Mass of each class. Shape [L].
        regularisation: Weight of the first of these terms.
        relaxation: Weight of the marginals' terms.
        max_iterations: Of the solver.

    Returns:
        The plan. Shape [L, N], not negative.

    Raises:
        ValueError: Shapes do not fit; scores or marginals are not finite, or marginals not
            positive.
    """
    import ot
    scores = np.asarray(scores, dtype=np.float64)
    node_marginal = np.asarray(node_marginal, dtype=np.float64)
    class_marginal = np.asarray(class_marginal, dtype=np.float64)
    if scores.shape != (len(class_marginal), len(node_marginal)):
        raise ValueError(f'scores have shape {scores.shape}, the marginals {class_marginal.shape} '
                         f'and {node_marginal.shape}')
    for name, values in (('scores', scores), ('node_marginal', node_marginal),
                         ('class_marginal', class_marginal)):
        if not np.isfinite(values).all():
            raise ValueError(f'{name} are not finite')
    if (node_marginal <= 0).any() or (class_marginal <= 0).any():
        raise ValueError('marginals must be above 0')
    return ot.unbalanced.sinkhorn_unbalanced(
        class_marginal, node_marginal, 1.0 - scores, reg=regularisation, reg_m=relaxation,
        method='sinkhorn_stabilized', numItermax=max_iterations)


def repaired(class_of_node: np.ndarray, preference: np.ndarray) -> np.ndarray:
    """Link every class to a node (the greedy part of Algorithm 2).

    Class by class, each class without a node takes, in descending order of its own preference, the
    first node whose present class has another node. Ties go to the node of the smaller id.

    Args:
        class_of_node: A class for each node. Shape [N].
        preference: How much each class wants each node. Shape [L, N].

    Returns:
        A class for each node; every class has one. Shape [N].

    Raises:
        ValueError: There are more classes than nodes.
    """
    classes, nodes = preference.shape
    if classes > nodes:
        raise ValueError(f'{classes} classes cannot be linked to {nodes} nodes: each class needs a '
                         'node of its own; use more nodes')
    result = np.array(class_of_node, dtype=np.int64)
    links = np.bincount(result, minlength=classes)
    for c in range(classes):
        if links[c]:
            continue
        # One exists: fewer classes than nodes have a link, so one of them has two.
        order = np.argsort(-preference[c], kind='stable')
        node = next(k for k in order if links[result[k]] > 1)
        links[result[node]] -= 1
        result[node] = c
        links[c] += 1
    return result


def solve_mapping(scores: np.ndarray, marginal: np.ndarray | None = None, momentum: float = 0.9,
                  **options) -> Mapping:
    """Solve one dataset's mapping (AutoUniSeg, Algorithm 2).

    Args:
        scores: How strongly each class is linked to each node, from 0 to 1: the dataset's part of
            the adjacency matrix. Shape [L, N].
        marginal: The classes' marginal of the last solution. Default: 1 / L each. Shape [L].
        momentum: mu, the share of the old marginal in the next one.
        **options: Of :func:`transport_plan`.

    Raises:
        ValueError: As :func:`transport_plan` and :func:`repaired`; ``momentum`` outside 0 to 1.
    """
    if not 0 <= momentum <= 1:
        raise ValueError(f'momentum={momentum}: a number from 0 to 1 is needed')
    scores = np.asarray(scores, dtype=np.float64)
    classes, nodes = scores.shape
    if classes > nodes:
        repaired(np.zeros(nodes, dtype=np.int64), scores)  # says so
    beta = np.full(classes, 1 / classes) if marginal is None else np.asarray(marginal, float)
    plan = transport_plan(scores, np.full(nodes, 1 / nodes), beta, **options)
    class_of_node = repaired(plan.argmax(axis=0), plan)
    # A class that the plan gives nothing must not lose its marginal for good.
    moved = np.maximum(plan.sum(axis=1), 1e-12)
    return Mapping(class_of_node, momentum * beta + (1 - momentum) * moved)
