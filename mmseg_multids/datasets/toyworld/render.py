"""From leaves to pixels: colours, textures, light, noise."""

from __future__ import annotations

import colorsys
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


def is_negative(view: str, split: str, seed: int, index: int) -> bool:
    """Return whether a scene of a view of streets is no street at all, without drawing it."""
    return _begin(view, split, seed, index)[1]


def _begin(view: str, split: str, seed: int, index: int) -> tuple[np.random.Generator, bool]:
    """Return a scene's generator and whether it is negative: the first thing that is drawn."""
    settings = view_named(view)
    rng = np.random.default_rng(scene_seed(view, split, seed, index))
    return rng, not settings.indoor and bool(rng.uniform() < settings.domain.negatives)


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
    rng, negative = _begin(view, split, seed, index)
    canvas = Canvas(*size)
    if settings.indoor or negative:
        draw_room(canvas, rng)
    else:
        draw_street(canvas, settings.domain, rng)
    return _paint(canvas, view, settings.domain, rng), canvas.leaf


def _paint(canvas: Canvas, view: str, domain: Domain, rng: np.random.Generator) -> np.ndarray:
    """Colour, texture, light, fog, blur and noise.

    Everything per pixel is integer arithmetic, so that an image is the same to the last bit on
    every machine: sums and blurs of floats depend on the processor and on OpenCV's version.
    """
    height, width = canvas.leaf.shape
    colours, first_texel, textures = _looks(view)
    image = cv2.LUT(cv2.merge([canvas.leaf] * 3), colours)  # [H, W, 3] uint8
    rows = (np.arange(height) * 128 // height + rng.integers(_TILE)) % _TILE
    columns = (np.arange(width) * 128 // height + rng.integers(_TILE)) % _TILE
    texel = first_texel[canvas.leaf]  # [H, W]
    texel += (rows * _TILE)[:, None]
    texel += columns
    detail = textures.take(texel)  # [H, W] int16
    detail += (canvas.shade.astype(np.int16) - 128) // 2
    image = cv2.add(image, cv2.merge([detail] * 3), dtype=cv2.CV_16S)

    tilt, gain = rng.uniform(-0.1, 0.1), rng.uniform(0.92, 1.08)
    top, bottom = (round(256 * gain * (1 - domain.gradient * (end + tilt))) for end in (-0.5, 0.5))
    row = np.arange(height, dtype=np.int32)[:, None, None]
    image = image * (top + (bottom - top) * row // height) // 256  # int32
    if domain.fog:
        veil = domain.fog * np.exp(-((np.arange(height) / height - 0.42) / 0.3) ** 2)
        veil = np.rint(256 * (veil * rng.uniform(0.5, 1.3)).clip(0, 0.85)).astype(np.int32)
        image += (200 - image) * veil[:, None, None] // 256
    image = image.clip(0, 255).astype(np.uint8)
    if domain.blur:
        image = cv2.GaussianBlur(image, (0, 0), domain.blur * height / 128)  # exact for uint8
    noise = _noise(domain.noise)
    corner = rng.integers(noise.shape[0]), rng.integers(noise.shape[1])
    return cv2.add(image, _window(noise, *corner, height, width), dtype=cv2.CV_8U)


def _window(table: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    """Cut a window out of a table that goes on beyond its edges."""
    if top + height <= table.shape[0] and left + width <= table.shape[1]:
        return table[top:top + height, left:left + width]
    rows = np.arange(top, top + height) % table.shape[0]
    columns = np.arange(left, left + width) % table.shape[1]
    return table[rows[:, None], columns]


@cache
def _looks(view: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tables to paint a view with.

    Returns:
        Colour (BGR) by leaf, [1, 256, 3] uint8; position in the textures at which a leaf's begins,
        [256] int64; the textures in levels of brightness, [2 * 8 * 256 * 256] int16: once faint,
        for what has none of its own, once strong.
    """
    domain = view_named(view).domain
    rng = np.random.default_rng(mix(zlib.crc32(view.encode()), 17))
    rgb = np.array([LOOK[leaf][0] for leaf in LEAVES], dtype=np.float64)  # [40, 3]
    rgb += rng.uniform(-1, 1, rgb.shape) * domain.leaf_jitter
    colours = np.zeros((1, 256, 3), dtype=np.uint8)
    for leaf, colour in enumerate(rgb.clip(0, 255) / 255):
        hue, saturation, value = colorsys.rgb_to_hsv(*colour.tolist())
        colour = colorsys.hsv_to_rgb((hue + domain.hue / 360) % 1,
                                     min(1, saturation * domain.saturation),
                                     min(1, value * domain.brightness))
        colours[0, leaf] = [round(255 * channel) for channel in colour[::-1]]
    kinds = np.array([(LOOK[leaf][1] + domain.texture_shift) % _KINDS if LOOK[leaf][1]
                      else 0 for leaf in LEAVES])
    strong = kinds != 0
    if view_named(view).indoor:  # a wall indoors is papered, not built of stones
        kinds[LEAF_ID['wall']] = 7
    first_texel = np.zeros(256, dtype=np.int64)
    first_texel[:len(LEAVES)] = (kinds + _KINDS * strong) * _TILE * _TILE
    contrast = np.array([6.0, 20.0])[:, None, None, None] * domain.texture
    return colours, first_texel, np.rint(_textures() * contrast).astype(np.int16).ravel()


@cache
def _textures() -> np.ndarray:
    """Repeating textures of zero mean. Shape [8, 256, 256], float64."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:_TILE, :_TILE]

    def smooth(sigma):
        noise = np.tile(rng.standard_normal((_TILE, _TILE)), (3, 3))
        blurred = cv2.GaussianBlur(noise, (0, 0), sigma)[_TILE:2 * _TILE, _TILE:2 * _TILE]
        return blurred / blurred.std()

    def stripes(position):
        return np.where(position % 8 < 4, 1.0, -1.0)

    brick = np.where((y % 8 < 2) | ((x + 8 * (y // 8 % 2)) % 16 < 2), -1.6, 0.4)
    return np.stack([smooth(12), rng.standard_normal((_TILE, _TILE)), stripes(y), stripes(x), brick,
                     smooth(2.5), stripes(x + y), np.where((x % 8 < 3) & (y % 8 < 3), 1.8, -0.4)])


@cache
def _noise(strength: float) -> np.ndarray:
    """Normal noise in levels of brightness. Shape [509, 521, 3], int16.

    The sides are prime, so that places hardly repeat in images that are larger.
    """
    normal = np.random.default_rng(5).standard_normal((509, 521, 3))
    return np.rint(normal * strength).astype(np.int16)
