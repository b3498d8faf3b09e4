"""The views of ToyWorld: how each dataset names the leaves, and how its world looks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .leaves import LEAF_ID, LEAVES, STREET_LEAVES

IGNORE_INDEX = 255

# The 18 classes of Cityscapes that have a leaf. Not labelled: sign back, barrier, trailer,
# autorickshaw.
_CITY = {
    'road': ('road', 'lane marking', 'crosswalk', 'manhole'),
    'sidewalk': ('sidewalk', 'curb'),
    'building': ('building', 'billboard'),
    'wall': ('wall',),
    'fence': ('fence', 'guard rail'),
    'pole': ('pole', 'street light'),
    'traffic light': ('traffic light',),
    'traffic sign': ('sign front',),
    'vegetation': ('tree', 'bush'),
    'terrain': ('terrain',),
    'sky': ('sky',),
    'person': ('person',),
    'rider': ('bicyclist', 'motorcyclist'),
    'car': ('car',),
    'truck': ('truck',),
    'bus': ('bus',),
    'motorcycle': ('motorcycle',),
    'bicycle': ('bicycle',),
}

# After IDD: a curb class that holds barriers, vegetation that holds terrain, both sides of signs,
# and a catch-all.
_ASIA = {
    'road': ('road', 'lane marking', 'crosswalk'),
    'sidewalk': ('sidewalk',),
    'curb': ('curb', 'barrier'),
    'building': ('building',),
    'billboard': ('billboard',),
    'wall': ('wall',),
    'fence': ('fence',),
    'guard rail': ('guard rail',),
    'pole': ('pole',),
    'traffic light': ('traffic light',),
    'traffic sign': ('sign front', 'sign back'),
    'vegetation': ('tree', 'bush', 'terrain'),
    'sky': ('sky',),
    'person': ('person',),
    'rider': ('bicyclist', 'motorcyclist'),
    'motorcycle': ('motorcycle',),
    'bicycle': ('bicycle',),
    'autorickshaw': ('autorickshaw',),
    'car': ('car',),
    'truck': ('truck',),
    'bus': ('bus',),
    'fallback': ('trailer', 'street light', 'manhole'),
}

# After Mapillary: every street leaf a class.
_ATLAS_NAMES = {'sign front': 'Traffic Sign (Front)', 'sign back': 'Traffic Sign (Back)'}
_ATLAS = {_ATLAS_NAMES.get(leaf, leaf.title()): (leaf,) for leaf in STREET_LEAVES}

# Indoors: shares the names of wall and person with the streets, with another look.
_ROOM = {name: (name,) for name in ('wall', 'floor', 'ceiling', 'bed', 'table', 'chair', 'window',
                                    'door', 'books', 'lamp', 'person')}


@dataclass(frozen=True)
class Domain:
    """How a view looks. Lengths are shares of the image's height, colours are 0 to 255.

    Attributes:
        hue: Rotation of all hues in degrees.
        saturation: Factor on the saturation.
        brightness: Factor on the brightness.
        leaf_jitter: Strength of a fixed colour shift of each leaf.
        texture: Contrast of the textures.
        texture_shift: Which texture a leaf has is moved by this many kinds.
        noise: Standard deviation of pixel noise.
        blur: Standard deviation of the blur.
        gradient: Light falling off from top to bottom (above 0) or from bottom to top.
        fog: Share of a grey veil at the horizon.
        scale: Size of objects.
        density: Number of objects.
        horizon: Range of the horizon's height.
        road_width: Width of the road at the bottom.
        green: Share of trees and terrain among the roadside.
        negatives: Share of images that are no street at all.
    """

    hue: float = 0.0
    saturation: float = 1.0
    brightness: float = 1.0
    leaf_jitter: float = 0.0
    texture: float = 1.0
    texture_shift: int = 0
    noise: float = 4.0
    blur: float = 0.0
    gradient: float = 0.0
    fog: float = 0.0
    scale: float = 1.0
    density: float = 1.0
    horizon: tuple[float, float] = (0.36, 0.46)
    road_width: float = 1.1
    green: float = 0.35
    negatives: float = 0.0


@dataclass(frozen=True)
class View:
    """A dataset's look at the world.

    Attributes:
        classes: Leaves of each class, in the order of the ids.
        domain: How it looks.
        indoor: Whether scenes are rooms.
    """

    classes: dict = field(hash=False)
    domain: Domain = Domain()
    indoor: bool = False


VIEWS = {
    'city': View(_CITY, Domain()),
    'metro': View(_CITY, Domain(hue=-25, saturation=0.55, brightness=0.62, leaf_jitter=26,
                                texture=0.7, texture_shift=2, noise=10, gradient=-0.3, scale=0.85,
                                density=1.4, horizon=(0.42, 0.52), road_width=1.4, green=0.2)),
    'asia': View(_ASIA, Domain(hue=28, saturation=0.85, brightness=0.95, leaf_jitter=34,
                               texture=1.3, texture_shift=3, noise=6, gradient=0.35, fog=0.25,
                               scale=1.1, density=1.5, horizon=(0.30, 0.42), road_width=0.95,
                               green=0.4)),
    'atlas': View(_ATLAS, Domain(hue=-28, saturation=1.3, brightness=0.78, leaf_jitter=34,
                                 texture=0.9, texture_shift=1, noise=3, gradient=0.15, scale=1.15,
                                 density=1.3, horizon=(0.34, 0.5), road_width=1.2, green=0.35)),
    'village': View(_CITY, Domain(hue=14, saturation=0.7, brightness=1.12, leaf_jitter=24,
                                  texture=1.2, texture_shift=1, noise=5, blur=0.7, gradient=0.4,
                                  scale=1.25, density=0.7, horizon=(0.4, 0.55), road_width=0.8,
                                  green=0.75)),
    'wild': View(_CITY, Domain(hue=40, saturation=0.45, brightness=0.7, leaf_jitter=30,
                               texture=0.8, texture_shift=4, noise=14, blur=0.9, gradient=-0.4,
                               fog=0.5, scale=0.95, density=1.2, horizon=(0.28, 0.56),
                               road_width=1.3, green=0.5, negatives=0.2)),
    'room': View(_ROOM, Domain(hue=8, saturation=0.8, brightness=1.0, leaf_jitter=10, texture=0.8,
                               texture_shift=1, noise=5, gradient=0.2), indoor=True),
}


def view_named(view: str) -> View:
    """Return a view.

    Raises:
        ValueError: It is not known; the known ones are listed.
    """
    if view not in VIEWS:
        raise ValueError(f'ToyWorld has no view {view!r}; known: {", ".join(VIEWS)}')
    return VIEWS[view]


def leaves_of_class(view: str) -> dict[str, frozenset[str]]:
    """Return the leaves that each class of a view covers."""
    return {name: frozenset(leaves) for name, leaves in view_named(view).classes.items()}


def leaf_to_class(view: str) -> np.ndarray:
    """Return the class id of each leaf, 255 where the view does not label it. Shape [40], int64."""
    table = np.full(len(LEAVES), IGNORE_INDEX, dtype=np.int64)
    for class_id, leaves in enumerate(view_named(view).classes.values()):
        for leaf in leaves:
            table[LEAF_ID[leaf]] = class_id
    return table


def class_relation(view_a: str, class_a: str, view_b: str, class_b: str) -> str:
    """Return how a class of one view relates to a class of another, from their leaves.

    Returns:
        ``'equal'``, ``'subset'`` (a within b), ``'superset'``, ``'overlap'`` or ``'disjoint'``.
    """
    a, b = leaves_of_class(view_a)[class_a], leaves_of_class(view_b)[class_b]
    if a == b:
        return 'equal'
    if a < b:
        return 'subset'
    if a > b:
        return 'superset'
    return 'overlap' if a & b else 'disjoint'
