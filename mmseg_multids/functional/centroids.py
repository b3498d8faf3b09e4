"""Objects in label maps, and one point of each (Zhu et al., self-training, section 3.2)."""

from __future__ import annotations

from typing import NamedTuple

import cc3d
import numpy as np

#: Which point stands for an object.
POINTS = ('inside', 'mean')

#: Which pixels of one class touch: those that share a side, or also those that share a corner.
CONNECTIVITIES = (4, 8)


class Objects(NamedTuple):
    """The connected components of a label map, by class and then in reading order.

    Attributes:
        class_ids: Class of each, int64 [N].
        points: Row and column of its point, int64 [N, 2].
        areas: Its number of pixels, int64 [N].
    """

    class_ids: np.ndarray
    points: np.ndarray
    areas: np.ndarray


def find_objects(labels: np.ndarray, ignore_index: int | None = 255, min_area: int = 1,
                 connectivity: int = 8, point: str = 'inside') -> Objects:
    """Find the connected components of all classes, and one point of each.

    The paper's centroid, "the arithmetic mean position of all the points within an object", is not
    on the object where that is a ring or a crescent; a crop around it may lack the class. By
    default the object's pixel that is nearest to the mean is taken, the first one in reading order
    where several are.

    All classes are labelled in one pass; the rest works on runs of equal pixels in a row, of which
    there are far fewer than pixels.

    Args:
        labels: Class ids, unsigned or not negative. Shape [H, W].
        ignore_index: Id of pixels that are not labelled; ``None``: there are none.
        min_area: Smaller components are left out.
        connectivity: 8, or 4 where pixels that share only a corner do not touch.
        point: ``'inside'``, or ``'mean'`` for the paper's, rounded to the nearest pixel.

    Raises:
        ValueError: Another shape, number type, connectivity or point, a negative id, or a
            ``min_area`` below 1.
    """
    check_settings(min_area, connectivity, point)
    height, width = _checked(labels).shape
    if labels.size == 0:
        return Objects(*(np.zeros(shape, np.int64) for shape in (0, (0, 2), 0)))
    shifted = _ignored_is_zero(labels, ignore_index)
    numbers = cc3d.connected_components(shifted, connectivity=connectivity)

    # Runs: equal neighbours in a row belong to one component, whatever the connectivity.
    begins = np.empty(labels.shape, dtype=bool)
    begins[:, 0] = True
    np.not_equal(shifted[:, 1:], shifted[:, :-1], out=begins[:, 1:])
    starts = np.flatnonzero(begins)
    lengths = np.diff(starts, append=labels.size)
    used = shifted.reshape(-1)[starts] != 0
    starts, lengths = starts[used], lengths[used]
    owner = numbers.reshape(-1)[starts].astype(np.int64) - 1
    row, left = np.divmod(starts, width)
    right = left + lengths - 1

    count = int(owner.max()) + 1 if len(owner) else 0
    areas = _sum(owner, lengths, count)
    rows = _sum(owner, row * lengths, count)
    columns = _sum(owner, (left + right) * lengths, count) // 2  # a sum of left to right each
    first = _first_of_each(owner, starts, count)
    classes = labels.reshape(-1)[first].astype(np.int64)
    if point == 'mean':
        # Exact: halves are rounded up.
        points = np.stack([(2 * rows + areas) // (2 * areas),
                           (2 * columns + areas) // (2 * areas)], axis=1)
    else:
        mean_row, mean_column = rows / areas, columns / areas
        # A run's pixel that is nearest to the mean; halves go to the left one, the first.
        aim = np.ceil(mean_column - 0.5).astype(np.int64)[owner]
        column = np.clip(aim, left, right)
        distance = (row - mean_row[owner]) ** 2 + (column - mean_column[owner]) ** 2
        nearest = np.full(count, np.inf)
        np.minimum.at(nearest, owner, distance)
        hits = np.flatnonzero(distance == nearest[owner])
        best = _first_of_each(owner[hits], hits, count)
        points = np.stack([row[best], column[best]], axis=1)
    order = np.lexsort((first, classes))
    order = order[areas[order] >= min_area]
    return Objects(classes[order], points[order], areas[order])


def check_settings(min_area: int, connectivity: int, point: str) -> None:
    """Refuse what :func:`find_objects` cannot do.

    Raises:
        ValueError: What is wrong, and what is allowed.
    """
    if isinstance(min_area, bool) or int(min_area) != min_area or min_area < 1:
        raise ValueError(f'min_area={min_area!r}: a whole number of pixels from 1 is needed')
    if connectivity not in CONNECTIVITIES:
        raise ValueError(f'connectivity={connectivity!r}; allowed: 4 (sides), 8 (and corners)')
    if point not in POINTS:
        raise ValueError(f'point={point!r}; allowed: {", ".join(map(repr, POINTS))}')


def _checked(labels: np.ndarray) -> np.ndarray:
    if labels.ndim != 2:
        raise ValueError(f'a label map of shape {labels.shape}; [H, W] is needed')
    if labels.dtype.kind not in 'ui':
        raise ValueError(f'a label map of {labels.dtype}; whole numbers are needed')
    return labels


def _ignored_is_zero(labels: np.ndarray, ignore_index: int | None) -> np.ndarray:
    """Shift ids so that those to ignore, and no other, are 0: the library's background."""
    if labels.dtype.kind == 'i':
        if labels.min() < 0:
            raise ValueError(f'a label map holds the id {labels.min()}; ids begin with 0')
        labels = labels.astype(f'u{labels.itemsize}')
    largest = np.iinfo(labels.dtype).max
    if ignore_index is None or not 0 <= ignore_index <= largest:
        if labels.itemsize == 8:
            raise ValueError(f'ignore_index={ignore_index!r} with a label map of {labels.dtype}; '
                             'give one from 0, or a narrower label map')
        labels = labels.astype(f'u{2 * labels.itemsize}')
        ignore_index = np.iinfo(labels.dtype).max
    # Unsigned numbers wrap around, so that one subtraction of the same width does it.
    return np.ascontiguousarray(labels) - labels.dtype.type(ignore_index)


def _sum(owner: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    # bincount adds in float64: exact below 2**53, which an image of 2**17 x 2**17 pixels stays in.
    return np.bincount(owner, values, count).astype(np.int64)


def _first_of_each(owner: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Return the first of each owner's values. [count]."""
    first = np.empty(count, dtype=np.int64)
    first[owner[::-1]] = values[::-1]  # the last assignment stays
    return first
