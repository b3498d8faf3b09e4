"""What is true of label spaces over ToyWorld's views, as the leaves are known."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from ...label_spaces import UnifiedLabelSpace
from ...label_spaces.links import Link
from .views import leaves_of_class


def true_relations(label_space: UnifiedLabelSpace,
                   views: Mapping[str, str] | None = None) -> set[tuple[str, str, str]]:
    """Return which classes imply which other nodes.

    Class c of dataset d implies node k if some dataset that owns a class of k labels every leaf of
    c as that class: what UniSeg's class relations (Eq. 6) should find.

    Args:
        label_space: Over datasets that are views.
        views: View of each dataset. Default: the dataset's name.

    Returns:
        (dataset, name of the class, name of the node); the class's own node is left out.
    """
    leaves = {d: leaves_of_class((views or {}).get(d, d)) for d in label_space.datasets}
    found = set()
    for dataset in label_space.datasets:
        own = label_space.class_of_node(dataset)
        for class_id, name in enumerate(label_space.space(dataset).classes):
            for node in range(label_space.num_nodes):
                if own[node] == class_id:
                    continue
                for other in label_space.datasets:
                    other_id = int(label_space.class_of_node(other)[node])
                    if other_id < 0:
                        continue
                    other_class = label_space.space(other).classes[other_id]
                    if leaves[dataset][name] <= leaves[other][other_class]:
                        found.add((dataset, name, label_space.nodes[node]))
    return found


def true_links(label_space: UnifiedLabelSpace, views: Mapping[str, str] | None = None) -> set[Link]:
    """Return which classes of different datasets share a leaf.

    Args:
        label_space: Over datasets that are views.
        views: View of each dataset. Default: the dataset's name.
    """
    leaves = {d: leaves_of_class((views or {}).get(d, d)) for d in label_space.datasets}
    return {((a, i), (b, j)) for a, b in combinations(label_space.datasets, 2)
            for i in label_space.space(a).classes for j in label_space.space(b).classes
            if leaves[a][i] & leaves[b][j]}
