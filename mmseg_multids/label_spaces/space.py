"""The label space of one dataset."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np


class LabelSpace:
    """The classes of one dataset, in the order of their ids.

    Args:
        name: Name of the dataset.
        classes: Class names; the position is the id.
        palette: An RGB colour per class. Default: distinct colours, the same on every machine.

    Raises:
        ValueError: No name, no class, an empty or repeated class name, or a palette that does not
            fit.
    """

    def __init__(self, name: str, classes: Sequence[str],
                 palette: Sequence[Sequence[int]] | None = None) -> None:
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f'a label space needs a name, got {name!r}')
        if isinstance(classes, str):
            raise ValueError(f'classes of {name} is the text {classes!r}; a list of names is '
                             'needed')
        self.name = name
        self.classes = tuple(str(c) for c in classes)
        if not self.classes:
            raise ValueError(f'label space {name} has no classes')
        empty = [i for i, c in enumerate(self.classes) if not c.strip()]
        if empty:
            raise ValueError(f'class {empty[0]} of {name} has an empty name')
        repeated = sorted({c for c in self.classes if self.classes.count(c) > 1})
        if repeated:
            raise ValueError(f'label space {name} has the class {repeated[0]!r} '
                             f'{self.classes.count(repeated[0])} times')
        if palette is None:
            self.palette = distinct_colours(len(self.classes))
        else:
            self.palette = tuple(tuple(int(v) for v in colour) for colour in palette)
            if len(self.palette) != len(self.classes):
                raise ValueError(f'palette of {name} has {len(self.palette)} colours for '
                                 f'{len(self.classes)} classes')
            wrong = [c for c in self.palette if len(c) != 3 or not all(0 <= v <= 255 for v in c)]
            if wrong:
                raise ValueError(f'palette of {name} has the colour {wrong[0]}; three values from '
                                 '0 to 255 are needed')

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    def index(self, class_name: str) -> int:
        """Return the id of a class.

        Raises:
            ValueError: The class is not known; the known ones are listed.
        """
        try:
            return self.classes.index(class_name)
        except ValueError:
            raise ValueError(f'{self.name} has no class {class_name!r}; it has '
                             f'{", ".join(self.classes)}') from None

    def to_dict(self) -> dict:
        """Return plain Python types."""
        return {'name': self.name, 'classes': list(self.classes),
                'palette': [list(colour) for colour in self.palette]}

    @classmethod
    def from_dict(cls, data: dict) -> LabelSpace:
        """Build from what :meth:`to_dict` returned."""
        return cls(data['name'], data['classes'], data.get('palette'))

    def __eq__(self, other: object) -> bool:
        """Two spaces are equal if name and classes are; the palette is decoration."""
        return (isinstance(other, LabelSpace) and self.name == other.name
                and self.classes == other.classes)

    def __hash__(self) -> int:
        return hash((self.name, self.classes))

    def __len__(self) -> int:
        return len(self.classes)

    def __repr__(self) -> str:
        return f'LabelSpace({self.name!r}, {self.num_classes} classes)'


def distinct_colours(count: int, taken: Sequence[Sequence[int]] = ()) -> tuple[tuple, ...]:
    """Return ``count`` RGB colours that differ from each other and from ``taken``.

    Each colour is the one farthest from all before it, so any first few are far apart, and more
    classes leave the first ones as they were. Black and white stay free for what is no class.
    """
    return _farthest_colours(count, tuple(tuple(int(v) for v in c) for c in taken))


@lru_cache(maxsize=64)
def _farthest_colours(count: int, taken: tuple) -> tuple[tuple, ...]:
    side = 16
    while side ** 3 < count + len(taken) + 2:
        side += 1
    levels = np.linspace(20, 245, side).round().astype(np.int64)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing='ij'), -1).reshape(-1, 3)  # [G, 3]
    nearest = np.full(len(grid), np.iinfo(np.int64).max)  # squared distances: whole numbers, so
    for colour in ((0, 0, 0), (255, 255, 255), *taken):  # every machine picks the same
        nearest = np.minimum(nearest, ((grid - np.array(colour)) ** 2).sum(-1))
    colours = []
    for _ in range(count):
        colour = grid[nearest.argmax()]
        colours.append(tuple(colour.tolist()))
        nearest = np.minimum(nearest, ((grid - colour) ** 2).sum(-1))
    return tuple(colours)
