"""The leaves of ToyWorld: what there is in the world, whatever a dataset calls it."""

from __future__ import annotations

STREET_LEAVES = (
    'sky', 'building', 'billboard', 'wall', 'fence', 'guard rail', 'road', 'lane marking',
    'crosswalk', 'manhole', 'sidewalk', 'curb', 'barrier', 'terrain', 'tree', 'bush', 'pole',
    'street light', 'traffic light', 'sign front', 'sign back', 'person', 'bicyclist',
    'motorcyclist', 'bicycle', 'motorcycle', 'car', 'truck', 'bus', 'trailer', 'autorickshaw')
ROOM_LEAVES = ('floor', 'ceiling', 'bed', 'table', 'chair', 'window', 'door', 'books', 'lamp')

#: All leaves; a leaf's id is its position.
LEAVES = STREET_LEAVES + ROOM_LEAVES

LEAF_ID = {leaf: i for i, leaf in enumerate(LEAVES)}

#: Colour (RGB) of each leaf in label pictures: the field's colours where there is one. None is near
#: black, which stands for pixels without a label.
PALETTE = {
    'sky': (70, 130, 180), 'building': (110, 110, 110), 'billboard': (220, 160, 220),
    'wall': (102, 102, 156), 'fence': (190, 153, 153), 'guard rail': (165, 120, 200),
    'road': (128, 64, 128), 'lane marking': (255, 255, 255), 'crosswalk': (200, 128, 128),
    'manhole': (80, 160, 190), 'sidewalk': (244, 35, 232), 'curb': (240, 205, 160),
    'barrier': (255, 120, 60), 'terrain': (152, 251, 152), 'tree': (107, 142, 35),
    'bush': (20, 100, 60), 'pole': (165, 165, 150), 'street light': (210, 170, 90),
    'traffic light': (250, 170, 30), 'sign front': (220, 220, 0), 'sign back': (150, 150, 0),
    'person': (220, 20, 60), 'bicyclist': (255, 60, 0), 'motorcyclist': (255, 0, 140),
    'bicycle': (119, 11, 32), 'motorcycle': (0, 0, 230), 'car': (0, 0, 142),
    'truck': (0, 90, 190), 'bus': (0, 140, 140), 'trailer': (90, 60, 220),
    'autorickshaw': (0, 220, 220), 'floor': (150, 105, 65), 'ceiling': (230, 230, 200),
    'bed': (175, 90, 225), 'table': (120, 70, 20), 'chair': (60, 90, 165),
    'window': (150, 215, 255), 'door': (195, 60, 30), 'books': (245, 140, 95),
    'lamp': (255, 235, 90),
}
