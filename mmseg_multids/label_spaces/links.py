"""Which classes of different datasets a label space links, and how well that fits the truth."""

from __future__ import annotations

from collections.abc import Set
from itertools import combinations
from typing import NamedTuple

from .unified import UnifiedLabelSpace

#: ((dataset, class name), (later dataset, class name))
Link = tuple[tuple[str, str], tuple[str, str]]


class LinkScores(NamedTuple):
    """How found links fit true ones."""

    found: int
    true: int
    precision: float
    recall: float
    f1: float


def links_of(label_space: UnifiedLabelSpace) -> set[Link]:
    """Return the pairs of classes of different datasets that share a node."""
    found = set()
    for a, b in combinations(label_space.datasets, 2):
        of_a, of_b = label_space.class_of_node(a), label_space.class_of_node(b)
        classes_a, classes_b = label_space.space(a).classes, label_space.space(b).classes
        found |= {((a, classes_a[i]), (b, classes_b[j])) for i, j in zip(of_a, of_b)
                  if i >= 0 and j >= 0}
    return found


def score_links(found: Set[Link], true: Set[Link]) -> LinkScores:
    """Compare links with true ones; a score that nothing speaks of is 0."""
    hits = len(found & true)
    precision = hits / len(found) if found else 0.0
    recall = hits / len(true) if true else 0.0
    total = precision + recall
    return LinkScores(len(found), len(true), precision, recall,
                      2 * precision * recall / total if total else 0.0)
