"""Laying out ToyWorld's scenes: which leaf each pixel shows."""

from __future__ import annotations

import cv2
import numpy as np

from .leaves import LEAF_ID
from .views import Domain

_NEUTRAL = 128


class Canvas:
    """Two maps that are drawn together.

    Coordinates and lengths are in units of the image's height, so scenes look alike at any size; x
    goes from 0 to ``aspect``.

    Attributes:
        leaf: Leaf of each pixel. Shape [H, W], uint8.
        shade: Brightness of each pixel relative to its leaf, 128 is neutral. Shape [H, W], uint8.
    """

    def __init__(self, height: int, width: int) -> None:
        self.unit = float(height)
        self.aspect = width / height
        self.leaf = np.zeros((height, width), dtype=np.uint8)
        self.shade = np.full((height, width), _NEUTRAL, dtype=np.uint8)

    def polygon(self, points, leaf: str, shade: float = 0.0) -> None:
        """Fill a convex polygon of (x, y); ``shade`` is from -1 (dark) to 1 (bright)."""
        pixels = np.round(np.asarray(points) * self.unit).astype(np.int32)
        cv2.fillConvexPoly(self.leaf, pixels, LEAF_ID[leaf])
        cv2.fillConvexPoly(self.shade, pixels, _shade_value(shade))

    def box(self, left: float, top: float, right: float, bottom: float, leaf: str,
            shade: float = 0.0) -> None:
        """Fill an axis-parallel rectangle."""
        u = self.unit
        x0, y0 = max(0, round(left * u)), max(0, round(top * u))
        x1, y1 = max(x0 + 1, round(right * u)), max(y0 + 1, round(bottom * u))
        self.leaf[y0:y1, x0:x1] = LEAF_ID[leaf]
        self.shade[y0:y1, x0:x1] = _shade_value(shade)

    def ellipse(self, x: float, y: float, rx: float, ry: float, leaf: str,
                shade: float = 0.0, ring: float = 0.0) -> None:
        """Fill an ellipse, or draw its outline of width ``ring``.

        An outline has at least two pixels: thinner ones differ between versions of OpenCV.
        """
        u = self.unit
        centre = (round(x * u), round(y * u))
        axes = (max(1, round(rx * u)), max(1, round(ry * u)))
        thickness = max(2, round(ring * u)) if ring else -1
        cv2.ellipse(self.leaf, centre, axes, 0, 0, 360, LEAF_ID[leaf], thickness)
        cv2.ellipse(self.shade, centre, axes, 0, 0, 360, _shade_value(shade), thickness)


def _shade_value(shade: float) -> int:
    return int(min(255, max(0, _NEUTRAL + 110 * shade)))


def draw_street(canvas: Canvas, domain: Domain, rng: np.random.Generator) -> None:
    """Draw a street: sky, roadside, ground, then objects from far to near."""
    uniform = rng.uniform
    w = canvas.aspect
    horizon = uniform(*domain.horizon)
    vanish = w * uniform(0.35, 0.65)
    canvas.box(0, 0, w, 1, 'sky', uniform(-0.2, 0.2))
    _draw_roadside(canvas, domain, rng, horizon)
    half = domain.road_width * uniform(0.8, 1.15) / 2
    ground = _Ground(canvas, horizon, vanish, half)
    _draw_ground(canvas, rng, ground, domain)

    things = []  # (depth, function, x offset in road half widths)
    density = domain.density
    for kind, rate, low, high in _THINGS:
        for _ in range(rng.poisson(rate * density)):
            side = 1 if uniform() < 0.5 else -1
            things.append((uniform(0.3, 1.0), kind, side * uniform(low, high)))
    things.sort(key=lambda thing: thing[0])
    for depth, kind, offset in things:
        x, y = ground.at(offset, depth)
        size = domain.scale * (0.3 + 0.7 * depth) * uniform(0.85, 1.15)
        if -0.1 < x < w + 0.1:
            _DRAW[kind](canvas, x, y, size, rng)


#: (kind, mean number per scene, nearest and farthest place in half widths of the road)
_THINGS = (
    ('car', 1.0, 0.1, 0.8), ('truck', 0.4, 0.1, 0.7), ('bus', 0.4, 0.1, 0.7),
    ('trailer', 0.35, 0.1, 0.8), ('autorickshaw', 0.4, 0.1, 0.8),
    ('bicyclist', 0.5, 0.2, 0.9), ('motorcyclist', 0.5, 0.1, 0.8),
    ('bicycle', 0.35, 1.0, 1.5), ('motorcycle', 0.35, 0.8, 1.4),
    ('person', 0.9, 1.1, 1.7), ('pole', 0.5, 1.05, 1.4), ('street light', 0.4, 1.05, 1.3),
    ('traffic light', 0.5, 1.05, 1.4), ('sign front', 0.5, 1.05, 1.5),
    ('sign back', 0.4, 1.05, 1.5), ('barrier', 0.35, 0.6, 1.0), ('manhole', 0.5, 0.0, 0.6),
    ('bush', 0.3, 1.4, 2.2),
)


class _Ground:
    """The plane below the horizon, in perspective towards the vanishing point."""

    def __init__(self, canvas: Canvas, horizon: float, vanish: float, half: float) -> None:
        self.canvas, self.horizon, self.vanish, self.half = canvas, horizon, vanish, half

    def at(self, offset: float, depth: float) -> tuple[float, float]:
        """Point at ``offset`` half widths from the middle; depth 0 is the horizon, 1 the bottom."""
        y = self.horizon + (1 - self.horizon) * depth
        return self.vanish + offset * self.half * (0.12 + 0.88 * depth), y

    def strip(self, left: float, right: float, leaf: str, shade: float = 0.0,
              near: float = 1.05, far: float = 0.0) -> None:
        """Fill a strip along the road."""
        self.canvas.polygon([self.at(left, far), self.at(right, far), self.at(right, near),
                             self.at(left, near)], leaf, shade)


def _draw_ground(canvas: Canvas, rng: np.random.Generator, ground: _Ground,
                 domain: Domain) -> None:
    uniform = rng.uniform
    canvas.box(0, ground.horizon, canvas.aspect, 1, 'terrain', uniform(-0.15, 0.15))
    if uniform() > domain.green * 0.6:
        ground.strip(-6, 6, 'sidewalk', uniform(-0.1, 0.1))
        for side in (-1, 1):
            if uniform() < 0.5:
                far = uniform(1.8, 2.4)
                ground.strip(*sorted((side * far, side * 7)), 'terrain', uniform(-0.15, 0.15))
    else:
        for side in (-1, 1):
            ground.strip(*sorted((side * 1.1, side * uniform(1.5, 2.0))), 'sidewalk',
                         uniform(-0.1, 0.1))
    for side in (-1, 1):
        ground.strip(*sorted((side * 1.0, side * 1.22)), 'curb', uniform(-0.1, 0.1))
    ground.strip(-1, 1, 'road', uniform(-0.12, 0.12))
    for lane in ((0.0,), (-0.35, 0.35))[rng.integers(2)]:
        solid = uniform() < 0.3
        starts = [0.08] if solid else np.arange(uniform(0.05, 0.2), 1.0, 0.26).tolist()
        for start in starts:
            near = 1.05 if solid else start + 0.15
            ground.strip(lane - 0.05, lane + 0.05, 'lane marking', 0.1, near=near, far=start)
    if uniform() < 0.4:
        far = uniform(0.3, 0.7)
        ground.strip(-0.96, 0.96, 'crosswalk', 0.0, near=far + 0.2, far=far)


def _draw_roadside(canvas: Canvas, domain: Domain, rng: np.random.Generator,
                   horizon: float) -> None:
    uniform = rng.uniform
    x = -uniform(0, 0.2)
    while x < canvas.aspect:
        width = uniform(0.18, 0.4) * domain.scale
        base = horizon + uniform(0.0, 0.03)
        choice = uniform()
        if choice < domain.green:
            _tree(canvas, x + width / 2, base + 0.02, domain.scale * uniform(0.9, 1.4), rng)
        elif choice < 0.94:
            _building(canvas, x, x + width, base, rng)
        if uniform() < 0.45:
            height = uniform(0.07, 0.12) * domain.scale
            leaf = ('wall', 'fence', 'guard rail')[rng.integers(3)]
            canvas.box(max(0, x), base - height * (0.6 if leaf == 'guard rail' else 1),
                       x + width * uniform(0.8, 1.3), base + 0.02, leaf, uniform(-0.1, 0.1))
        elif uniform() < 0.3:
            _bush(canvas, x + width / 2, base + 0.03, domain.scale * 0.7, rng)
        x += width * uniform(0.75, 1.05)


def _building(canvas, left, right, base, rng) -> None:
    top = base - rng.uniform(0.2, 0.45)
    tone = rng.uniform(-0.35, 0.35)
    canvas.box(max(0, left), max(0, top), right, base, 'building', tone)
    step = 0.07
    for y in np.arange(top + 0.03, base - 0.08, step).tolist():
        for x in np.arange(left + 0.025, right - 0.04, step).tolist():
            if x > 0:
                canvas.box(x, max(0, y), x + 0.03, max(0, y) + 0.035, 'building', tone - 0.45)
    if rng.uniform() < 0.35:
        y = max(0.02, top + rng.uniform(-0.05, 0.08))
        x = max(0, left + rng.uniform(0.0, 0.05))
        canvas.box(x, y, x + rng.uniform(0.13, 0.2), y + rng.uniform(0.09, 0.13), 'billboard',
                   rng.uniform(-0.1, 0.3))


def _tree(canvas, x, y, size, rng) -> None:
    canvas.box(x - 0.012 * size, y - 0.16 * size, x + 0.012 * size, y, 'tree', -0.6)
    for _ in range(4):
        canvas.ellipse(x + rng.uniform(-0.07, 0.07) * size, y - rng.uniform(0.16, 0.3) * size,
                       0.085 * size, 0.075 * size, 'tree', rng.uniform(-0.3, 0.3))


def _bush(canvas, x, y, size, rng) -> None:
    for shift in (-0.07, 0.0, 0.07):
        canvas.ellipse(x + shift * size, y - 0.04 * size, 0.06 * size, 0.05 * size, 'bush',
                       rng.uniform(-0.2, 0.2))


def _wheels(canvas, x, y, size, leaf, distance, radius) -> None:
    for shift in (-distance, distance):
        canvas.ellipse(x + shift * size, y - radius * size, radius * size, radius * size, leaf,
                       -0.7)


def _car(canvas, x, y, size, rng) -> None:
    tone = rng.uniform(-0.25, 0.35)
    canvas.polygon([(x - 0.11 * size, y - 0.1 * size), (x - 0.06 * size, y - 0.18 * size),
                    (x + 0.06 * size, y - 0.18 * size), (x + 0.12 * size, y - 0.1 * size)],
                   'car', tone - 0.5)
    canvas.box(x - 0.18 * size, y - 0.11 * size, x + 0.18 * size, y - 0.03 * size, 'car', tone)
    _wheels(canvas, x, y, size, 'car', 0.1, 0.032)


def _truck(canvas, x, y, size, rng) -> None:
    tone = rng.uniform(-0.2, 0.2)
    canvas.box(x - 0.2 * size, y - 0.28 * size, x + 0.1 * size, y - 0.04 * size, 'truck', tone)
    canvas.box(x + 0.11 * size, y - 0.2 * size, x + 0.2 * size, y - 0.04 * size, 'truck',
               tone + 0.3)
    canvas.box(x + 0.15 * size, y - 0.18 * size, x + 0.19 * size, y - 0.12 * size, 'truck', -0.6)
    _wheels(canvas, x, y, size, 'truck', 0.13, 0.04)


def _bus(canvas, x, y, size, rng) -> None:
    tone = rng.uniform(-0.2, 0.2)
    canvas.box(x - 0.24 * size, y - 0.26 * size, x + 0.24 * size, y - 0.03 * size, 'bus', tone)
    for i in range(5):
        left = x + (-0.21 + 0.09 * i) * size
        canvas.box(left, y - 0.22 * size, left + 0.06 * size, y - 0.14 * size, 'bus', tone - 0.6)
    _wheels(canvas, x, y, size, 'bus', 0.15, 0.036)


def _trailer(canvas, x, y, size, rng) -> None:
    canvas.box(x - 0.19 * size, y - 0.2 * size, x + 0.15 * size, y - 0.06 * size, 'trailer',
               rng.uniform(-0.2, 0.2))
    canvas.box(x + 0.15 * size, y - 0.09 * size, x + 0.23 * size, y - 0.06 * size, 'trailer', -0.4)
    _wheels(canvas, x, y, size, 'trailer', 0.06, 0.035)


def _autorickshaw(canvas, x, y, size, rng) -> None:
    canvas.polygon([(x - 0.1 * size, y - 0.2 * size), (x + 0.06 * size, y - 0.2 * size),
                    (x + 0.13 * size, y - 0.1 * size), (x + 0.13 * size, y - 0.04 * size),
                    (x - 0.1 * size, y - 0.04 * size)], 'autorickshaw', rng.uniform(-0.1, 0.2))
    canvas.box(x - 0.04 * size, y - 0.17 * size, x + 0.04 * size, y - 0.1 * size, 'autorickshaw',
               -0.6)
    _wheels(canvas, x, y, size, 'autorickshaw', 0.08, 0.03)


def _two_wheeler(leaf: str, ring: float):
    def draw(canvas, x, y, size, rng) -> None:
        for shift in (-0.075, 0.075):
            canvas.ellipse(x + shift * size, y - 0.055 * size, 0.05 * size, 0.05 * size, leaf, -0.2,
                           ring=ring * size)
        body = 0.03 if leaf == 'bicycle' else 0.055
        canvas.polygon([(x - 0.08 * size, y - 0.06 * size), (x - 0.03 * size, y - 0.12 * size),
                        (x + 0.07 * size, y - 0.12 * size), (x + 0.08 * size, y - 0.06 * size),
                        (x, y - (0.12 - 2 * body) * size)], leaf, 0.1)
    return draw


_bicycle = _two_wheeler('bicycle', 0.02)
_motorcycle = _two_wheeler('motorcycle', 0.035)


def _figure(canvas, x, y, size, leaf, tone, legs) -> None:
    canvas.ellipse(x, y - 0.25 * size, 0.028 * size, 0.032 * size, leaf, tone + 0.45)
    canvas.polygon([(x - 0.045 * size, y - 0.22 * size), (x + 0.045 * size, y - 0.22 * size),
                    (x + 0.035 * size, y - 0.1 * size), (x - 0.035 * size, y - 0.1 * size)],
                   leaf, tone)
    if legs:
        canvas.box(x - 0.035 * size, y - 0.1 * size, x - 0.005 * size, y, leaf, tone - 0.4)
        canvas.box(x + 0.005 * size, y - 0.1 * size, x + 0.035 * size, y, leaf, tone - 0.4)


def _person(canvas, x, y, size, rng) -> None:
    _figure(canvas, x, y, size, 'person', rng.uniform(-0.2, 0.2), legs=True)


def _bicyclist(canvas, x, y, size, rng) -> None:
    _bicycle(canvas, x, y, size, rng)
    _figure(canvas, x, y - 0.02 * size, size * 1.1, 'bicyclist', rng.uniform(-0.2, 0.2), legs=False)


def _motorcyclist(canvas, x, y, size, rng) -> None:
    _motorcycle(canvas, x, y, size, rng)
    _figure(canvas, x, y - 0.02 * size, size * 1.1, 'motorcyclist', rng.uniform(-0.2, 0.2),
            legs=False)


def _mast(canvas, x, y, size, leaf, height) -> None:
    canvas.box(x - 0.018 * size, max(0, y - height * size), x + 0.018 * size, y, leaf, -0.05)


def _pole(canvas, x, y, size, rng) -> None:
    _mast(canvas, x, y, size, 'pole', 0.55)


def _street_light(canvas, x, y, size, rng) -> None:
    _mast(canvas, x, y, size, 'street light', 0.5)
    side = 1 if rng.uniform() < 0.5 else -1
    left, right = sorted((x, x + side * 0.13 * size))
    top = max(0, y - 0.53 * size)
    canvas.box(left, top, right, top + 0.05 * size, 'street light', 0.6)


def _traffic_light(canvas, x, y, size, rng) -> None:
    _mast(canvas, x, y, size, 'pole', 0.3)
    canvas.box(x - 0.04 * size, max(0, y - 0.45 * size), x + 0.04 * size, y - 0.27 * size,
               'traffic light', 0.0)
    canvas.ellipse(x, y - rng.choice([0.41, 0.36, 0.31]) * size, 0.022 * size, 0.022 * size,
                   'traffic light', 1.0)


def _sign(leaf: str):
    def draw(canvas, x, y, size, rng) -> None:
        _mast(canvas, x, y, size, 'pole', 0.25)
        if rng.uniform() < 0.5:
            canvas.ellipse(x, y - 0.3 * size, 0.065 * size, 0.065 * size, leaf, 0.0)
            if leaf == 'sign front':
                canvas.ellipse(x, y - 0.3 * size, 0.035 * size, 0.035 * size, leaf, 0.8)
        else:
            canvas.box(x - 0.065 * size, y - 0.36 * size, x + 0.065 * size, y - 0.25 * size, leaf,
                       0.1)
            if leaf == 'sign front':
                canvas.box(x - 0.04 * size, y - 0.33 * size, x + 0.04 * size, y - 0.28 * size, leaf,
                           0.8)
    return draw


def _barrier(canvas, x, y, size, rng) -> None:
    canvas.polygon([(x - 0.15 * size, y - 0.1 * size), (x + 0.15 * size, y - 0.1 * size),
                    (x + 0.18 * size, y), (x - 0.18 * size, y)], 'barrier', rng.uniform(-0.1, 0.1))


def _manhole(canvas, x, y, size, rng) -> None:
    canvas.ellipse(x, y - 0.02, 0.075 * size, 0.035 * size, 'manhole', rng.uniform(-0.1, 0.1))


_DRAW = {
    'car': _car, 'truck': _truck, 'bus': _bus, 'trailer': _trailer, 'autorickshaw': _autorickshaw,
    'bicyclist': _bicyclist, 'motorcyclist': _motorcyclist, 'bicycle': _bicycle,
    'motorcycle': _motorcycle, 'person': _person, 'pole': _pole, 'street light': _street_light,
    'traffic light': _traffic_light, 'sign front': _sign('sign front'),
    'sign back': _sign('sign back'), 'barrier': _barrier, 'manhole': _manhole, 'bush': _bush,
}
