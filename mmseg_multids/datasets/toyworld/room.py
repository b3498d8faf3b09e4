"""Laying out ToyWorld's rooms."""

from __future__ import annotations

import numpy as np

from .scene import Canvas, _person


def draw_room(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw a room: ceiling, walls and floor, then what hangs on the walls, then furniture."""
    uniform = rng.uniform
    w = canvas.aspect
    top, bottom = uniform(0.1, 0.2), uniform(0.62, 0.75)
    left, right = uniform(0.05, 0.2) * w, uniform(0.8, 0.95) * w
    canvas.box(0, 0, w, 1, 'wall', uniform(-0.1, 0.1))
    canvas.polygon([(0, 0), (w, 0), (right, top), (left, top)], 'ceiling', uniform(-0.1, 0.1))
    canvas.polygon([(left, bottom), (right, bottom), (w, 1), (0, 1)], 'floor', uniform(-0.1, 0.1))
    for outer, inner in ((0, left), (w, right)):
        canvas.polygon([(outer, 0), (inner, top), (inner, bottom), (outer, 1)], 'wall', -0.25)
    places = list(rng.permutation(3))
    if uniform() < 0.7:
        x = left + (0.08 + 0.3 * places.pop()) * (right - left)
        canvas.box(x, top + 0.08, x + 0.2, top + 0.3, 'window', uniform(-0.1, 0.2))
    if uniform() < 0.6:
        x = left + (0.08 + 0.3 * places.pop()) * (right - left)
        canvas.box(x, top + 0.12, x + 0.15, bottom, 'door', uniform(-0.2, 0.2))
    if uniform() < 0.6:
        x = left + (0.08 + 0.3 * places.pop()) * (right - left)
        canvas.box(x, top + 0.1, x + 0.18, top + 0.28, 'books', uniform(-0.2, 0.2))
    if uniform() < 0.6:
        x = uniform(left, right)
        canvas.box(x - 0.006, 0, x + 0.006, top + 0.06, 'lamp', -0.3)
        canvas.polygon([(x - 0.03, top + 0.05), (x + 0.03, top + 0.05), (x + 0.08, top + 0.15),
                        (x - 0.08, top + 0.15)], 'lamp', 0.3)
    furniture = [f for f in (_bed, _table, _chair, _chair) if uniform() < 0.55]
    for draw, y in zip(furniture, sorted(uniform(bottom + 0.08, 0.98) for _ in furniture)):
        draw(canvas, uniform(0.15, 0.85) * w, y, uniform(0.8, 1.2), rng)
    if uniform() < 0.5:
        _person(canvas, uniform(0.15, 0.85) * w, uniform(0.85, 1.0), uniform(1.6, 2.2), rng)


def _bed(canvas, x, y, size, rng) -> None:
    tone = rng.uniform(-0.2, 0.2)
    canvas.box(x - 0.22 * size, y - 0.16 * size, x + 0.22 * size, y, 'bed', tone)
    canvas.box(x - 0.22 * size, y - 0.24 * size, x - 0.17 * size, y, 'bed', tone - 0.4)
    canvas.box(x - 0.16 * size, y - 0.19 * size, x - 0.05 * size, y - 0.14 * size, 'bed', 0.6)


def _table(canvas, x, y, size, rng) -> None:
    tone = rng.uniform(-0.2, 0.2)
    canvas.box(x - 0.18 * size, y - 0.2 * size, x + 0.18 * size, y - 0.14 * size, 'table', tone)
    for shift in (-0.16, 0.12):
        canvas.box(x + shift * size, y - 0.14 * size, x + (shift + 0.04) * size, y, 'table',
                   tone - 0.3)


def _chair(canvas, x, y, size, rng) -> None:
    tone = rng.uniform(-0.2, 0.2)
    canvas.box(x - 0.07 * size, y - 0.26 * size, x - 0.03 * size, y, 'chair', tone)
    canvas.box(x - 0.07 * size, y - 0.13 * size, x + 0.08 * size, y - 0.08 * size, 'chair', tone)
    canvas.box(x + 0.04 * size, y - 0.1 * size, x + 0.08 * size, y, 'chair', tone - 0.2)
