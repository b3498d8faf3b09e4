"""Merging classes whose texts are alike (the second row of AutoUniSeg's Table 5)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .merging import unify_by_merges
from .space import LabelSpace
from .text_features import class_features
from .unified import UnifiedLabelSpace


def text_clusters(features: np.ndarray, dataset_of: np.ndarray,
                  similarity: float) -> list[tuple[int, ...]]:
    """Cluster classes by their text features, at most one of each dataset in a cluster.

    DBSCAN with the cosine as similarity and one sample as a core: classes are in one cluster where
    a chain of similar ones leads from one to the other. A cluster that held two classes of one
    dataset is split: its pairs are joined in descending similarity, and a pair that would bring two
    classes of a dataset together is left out.

    Args:
        features: Shape [C, F].
        dataset_of: Dataset of each class. Shape [C].
        similarity: Least cosine of a pair, from -1 to 1 (1 - eps of DBSCAN).

    Returns:
        Sets of classes; every class is in one.

    Raises:
        ValueError: ``similarity`` is outside.
    """
    if not -1 <= similarity <= 1:
        raise ValueError(f'similarity={similarity}: a cosine from -1 to 1 is needed')
    features = np.asarray(features, dtype=np.float64)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    cosine = (features / np.maximum(lengths, 1e-12)) @ (features / np.maximum(lengths, 1e-12)).T
    first, second = np.nonzero(np.triu(cosine >= similarity - 1e-9, 1))
    order = np.lexsort((second, first, -cosine[first, second]))
    cluster = list(range(len(features)))
    members = {c: [c] for c in cluster}
    for a, b in zip(first[order], second[order]):
        one, other = cluster[a], cluster[b]
        if one == other or {dataset_of[c] for c in members[one]} & {
                dataset_of[c] for c in members[other]}:
            continue
        for c in members.pop(other):
            cluster[c] = one
            members[one].append(c)
    return sorted(tuple(sorted(found)) for found in members.values())


def unify_by_text(spaces: Sequence[LabelSpace], similarity: float = 0.9,
                  **text) -> UnifiedLabelSpace:
    """Merge classes whose text features are alike.

    Args:
        spaces: The datasets.
        similarity: Least cosine of a pair, see :func:`text_clusters`.
        **text: Arguments of :func:`.text_features.class_features`.
    """
    features = class_features(spaces, **text)
    dataset_of = np.repeat(np.arange(len(spaces)), [space.num_classes for space in spaces])
    return unify_by_merges(spaces, text_clusters(features, dataset_of, similarity))
