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
