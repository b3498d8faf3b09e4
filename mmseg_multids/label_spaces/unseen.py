"""Reading a dataset that a model was not trained on (UniSeg, section 4.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .names import find_classes, match_by_name
from .space import LabelSpace
from .unified import UnifiedLabelSpace


def match_nodes(label_space: UnifiedLabelSpace, unseen: LabelSpace,
                aliases: Sequence[Sequence[str]] | None = None,
                source: str | None = None) -> np.ndarray:
    """Find for each node the class of an unseen dataset that has the name of one of its classes.

    An equal name comes before an alias: nodes that a class is an alias of are left out where
    others have its very name. Where classes of several datasets in one node fit different classes,
    the first dataset decides.

    Args:
        label_space: The label space that the model was trained with, N nodes.
        unseen: Label space of the other dataset.
        aliases: Groups of names that mean the same, as in :func:`unify_by_name`.
        source: Only take nodes of this dataset. Default: of all.

    Returns:
        Class ids of ``unseen``, -1 where no name fits. Shape [N], int64.

    Raises:
        ValueError: ``source`` is not in the label space; no class has a node.
    """
    if source is not None and source not in label_space.datasets:
        raise ValueError(f'source={source!r}: the label space has '
                         f'{", ".join(label_space.datasets)}')
    datasets = label_space.datasets if source is None else (source,)
    equal = _of_nodes(label_space, datasets, unseen, None)
    found = equal
    if aliases:
        alias = _of_nodes(label_space, datasets, unseen, aliases)
        found = np.where((equal < 0) & ~np.isin(alias, equal[equal >= 0]), alias, equal)
    if (found < 0).all():
        raise ValueError(
            f'no class of {unseen.name} ({", ".join(unseen.classes[:5])}, ...) has the name of a '
            f'class of {", ".join(datasets)}: nothing can be predicted. Give aliases, or predict '
            'in another label space (tools/test.py --label-space)')
    return found


def unused_aliases(aliases: Sequence[Sequence[str]], label_space: UnifiedLabelSpace,
                   unseen: LabelSpace) -> list[str]:
    """Say which groups of aliases name no class of the model, or none of the unseen dataset."""
    trained = list(label_space.spaces.values())
    found = []
    for group in aliases:
        of_model, of_other = (any(find_classes(name, spaces) for name in group)
                              for spaces in (trained, [unseen]))
        if not of_model or not of_other:
            found.append(', '.join(group))
    return found


def _of_nodes(label_space: UnifiedLabelSpace, datasets: Sequence[str], unseen: LabelSpace,
              aliases: Sequence[Sequence[str]] | None) -> np.ndarray:
    found = np.full(label_space.num_nodes, -1, dtype=np.int64)
    for dataset in datasets:
        match = match_by_name(label_space.space(dataset), unseen, aliases)  # [L]
        class_of_node = label_space.class_of_node(dataset)
        own = np.where(class_of_node >= 0, match[class_of_node], -1)
        found = np.where(found < 0, own, found)
    return found
