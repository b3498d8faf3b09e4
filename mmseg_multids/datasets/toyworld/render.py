"""From leaves to pixels: colours, textures, light, noise."""

from __future__ import annotations

import zlib
from functools import cache

import cv2
import numpy as np

from ..randomness import mix
from .leaves import LEAF_ID, LEAVES
from .room import draw_room
from .scene import Canvas, draw_street
from .views import Domain, view_named

SPLITS = ('train', 'val', 'test')
_TILE = 256  # side of the repeating textures, in pixels of a 128 pixel image
_KINDS = 8

# Colour (RGB) and kind of texture of each leaf in the plainest domain.
LOOK = {
    'sky': ((150, 195, 240), 0), 'building': ((165, 120, 95), 4), 'billboard': ((235, 90, 190), 6),
    'wall': ((190, 180, 160), 4), 'fence': ((120, 90, 60), 3), 'guard rail': ((205, 210, 225), 2),
    'road': ((92, 92, 98), 1), 'lane marking': ((245, 245, 245), 0),
    'crosswalk': ((200, 200, 205), 3), 'manhole': ((60, 45, 45), 7),
    'sidewalk': ((190, 150, 160), 4), 'curb': ((222, 212, 170), 1), 'barrier': ((230, 80, 60), 6),
    'terrain': ((165, 170, 90), 5), 'tree': ((60, 130, 50), 5), 'bush': ((30, 85, 45), 7),
    'pole': ((75, 80, 95), 0), 'street light': ((130, 120, 60), 0),
    'traffic light': ((30, 30, 30), 0), 'sign front': ((30, 70, 210), 0),
    'sign back': ((160, 170, 170), 1), 'person': ((215, 60, 70), 1),
    'bicyclist': ((60, 205, 205), 1), 'motorcyclist': ((85, 45, 120), 1),
    'bicycle': ((20, 150, 120), 0), 'motorcycle': ((110, 25, 25), 0), 'car': ((45, 100, 180), 0),
    'truck': ((235, 145, 40), 2), 'bus': ((240, 205, 40), 0), 'trailer': ((150, 110, 150), 3),
    'autorickshaw': ((150, 215, 60), 0), 'floor': ((150, 105, 65), 2),
    'ceiling': ((240, 235, 225), 0), 'bed': ((135, 85, 175), 3), 'table': ((110, 65, 30), 1),
    'chair': ((50, 60, 110), 0), 'window': ((185, 230, 250), 4), 'door': ((140, 55, 40), 3),
    'books': ((200, 120, 100), 3), 'lamp': ((255, 230, 120), 0),
}


def scene_seed(view: str, split: str, seed: int, index: int) -> int:
    """Return the seed of one scene; views and splits never share one.

    Raises:
        ValueError: The split is not known.
    """
    if split not in SPLITS:
        raise ValueError(f'ToyWorld has no split {split!r}; known: {", ".join(SPLITS)}')
    return mix(zlib.crc32(view.encode()), SPLITS.index(split), seed, index)


def render_scene(view: str, split: str, seed: int, index: int,
                 size: tuple[int, int] = (128, 128)) -> tuple[np.ndarray, np.ndarray]:
    """Draw one scene: a pure function of its arguments.

    Args:
        view: Name of the view.
        split: ``'train'``, ``'val'`` or ``'test'``.
        seed: Seed of the world.
        index: Number of the scene.
        size: Height and width in pixels.

    Returns:
        The image, [H, W, 3] uint8 in BGR order, and its leaves, [H, W] uint8.
    """
    settings = view_named(view)
    rng = np.random.default_rng(scene_seed(view, split, seed, index))
    canvas = Canvas(*size)
    if settings.indoor or rng.uniform() < settings.domain.negatives:
        draw_room(canvas, rng)
    else:
        draw_street(canvas, settings.domain, rng)
    return _paint(canvas, view, settings.domain, rng), canvas.leaf


def _paint(canvas: Canvas, view: str, domain: Domain, rng: np.random.Generator) -> np.ndarray:
    height, width = canvas.leaf.shape
    colours, kinds, contrast = _looks(view)
    image = colours[canvas.leaf]  # [H, W, 3] float32
    rows = (np.arange(height) * 128 // height + rng.integers(_TILE)) % _TILE
    columns = (np.arange(width) * 128 // height + rng.integers(_TILE)) % _TILE
    texture = _textures()[kinds[canvas.leaf], rows[:, None], columns[None]]  # [H, W], about -1..1
    detail = texture * contrast[canvas.leaf]
    detail += (canvas.shade.astype(np.float32) - 128.0) * 0.5
    image += detail[..., None]
    light = 1.0 - domain.gradient * (np.linspace(-0.5, 0.5, height, dtype=np.float32)
                                     + np.float32(rng.uniform(-0.1, 0.1)))
    image *= (light * np.float32(rng.uniform(0.92, 1.08)))[:, None, None]
    if domain.fog:
        veil = domain.fog * np.exp(-((np.linspace(0, 1, height) - 0.42) / 0.3) ** 2)
        veil = (veil * rng.uniform(0.5, 1.3)).clip(0, 0.85).astype(np.float32)[:, None, None]
        image += (200.0 - image) * veil
    noise = _noise()
    top, left = rng.integers(noise.shape[0]), rng.integers(noise.shape[1])
    noise_rows = (np.arange(height) + top) % noise.shape[0]
    noise_columns = (np.arange(width) + left) % noise.shape[1]
    if domain.blur:
        image = cv2.GaussianBlur(image, (0, 0), domain.blur * height / 128)
    image += noise[noise_rows[:, None], noise_columns] * np.float32(domain.noise)
    return np.clip(image, 0, 255, out=image).astype(np.uint8)


@cache
def _looks(view: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colour (BGR), kind of texture and contrast of each leaf in a view."""
    domain = view_named(view).domain
    rng = np.random.default_rng(mix(zlib.crc32(view.encode()), 17))
    colours = np.array([LOOK[leaf][0] for leaf in LEAVES], dtype=np.float32)  # [40, 3] RGB
    colours += rng.uniform(-1, 1, colours.shape).astype(np.float32) * domain.leaf_jitter
    hsv = cv2.cvtColor(colours.clip(0, 255)[None] / 255.0, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + domain.hue) % 360
    hsv[..., 1] = (hsv[..., 1] * domain.saturation).clip(0, 1)
    hsv[..., 2] = (hsv[..., 2] * domain.brightness).clip(0, 1)
    bgr = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0] * 255.0
    kinds = np.array([(LOOK[leaf][1] + domain.texture_shift) % _KINDS if LOOK[leaf][1]
                      else 0 for leaf in LEAVES])
    contrast = np.where(kinds == 0, 6.0, 20.0) * domain.texture
    if view_named(view).indoor:  # a wall indoors is papered, not built of stones
        kinds[LEAF_ID['wall']] = 7
    return bgr.astype(np.float32), kinds, contrast.astype(np.float32)


@cache
def _textures() -> np.ndarray:
    """Repeating textures of zero mean. Shape [8, 256, 256], float32."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:_TILE, :_TILE].astype(np.float32)

    def smooth(sigma):
        noise = rng.standard_normal((3 * _TILE, 3 * _TILE)).astype(np.float32)
        noise = np.tile(noise[:_TILE, :_TILE], (3, 3))
        blurred = cv2.GaussianBlur(noise, (0, 0), sigma)[_TILE:2 * _TILE, _TILE:2 * _TILE]
        return blurred / blurred.std()

    def sign(values):
        return np.where(values > 0, 1.0, -1.0)

    brick = np.where((y % 8 < 1.5) | ((x + 8 * (y // 8 % 2)) % 16 < 1.5), -1.6, 0.4)
    kinds = [smooth(12), rng.standard_normal((_TILE, _TILE)), sign(np.sin(y * np.pi / 4)),
             sign(np.sin(x * np.pi / 4)), brick, smooth(2.5), sign(np.sin((x + y) * np.pi / 4)),
             np.where((x % 8 < 3) & (y % 8 < 3), 1.8, -0.4)]
    return np.stack(kinds).astype(np.float32)


@cache
def _noise() -> np.ndarray:
    """Standard normal noise. Shape [509, 521, 3]: prime sides, so that places hardly repeat."""
    return np.random.default_rng(5).standard_normal((509, 521, 3)).astype(np.float32)
