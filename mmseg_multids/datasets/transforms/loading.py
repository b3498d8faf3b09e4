"""Loading label maps."""

from __future__ import annotations

import io

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.fileio import get
from PIL import Image

from ...registry import TRANSFORMS

#: Largest share of pixels whose colour is none of the dataset's.
_STRAY_SHARE = 0.01


@TRANSFORMS.register_module()
class LoadLabelMap(BaseTransform):
    """Load a label map as MMSegmentation's ``LoadAnnotations`` does, and check it.

    The stock transform casts to 8 bits, so the ids of a 16-bit file wrap silently; and it does not
    notice a label map of another size than the image. Both are errors here.

    Required keys: ``seg_map_path``, ``img`` (loaded before, and perhaps resized since). Added:
    ``gt_seg_map`` (uint8 [H, W]), ``seg_fields``. Honours the dataset's ``reduce_zero_label`` and
    ``label_map``, and reads ids that are stored as colours where the dataset lists them:
    ``label_colours``, ((red, green, blue), id) of each. Stray pixels of other colours, up to 1 % of
    an image, are not labelled. Where ``seg_map_path`` is ``None``, as for images without labels, no
    pixel is labelled.

    Args:
        backend_args: Arguments of MMEngine's file backend.

    Raises:
        ValueError: No single-channel image, too many unknown colours, an id above 255, or another
            size than the image; the file is named.

    Example:
        >>> pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadLabelMap'), ...]
    """

    def __init__(self, backend_args: dict | None = None) -> None:
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Load and check."""
        path = results['seg_map_path']
        if path is None:
            if 'img' not in results:
                raise ValueError(f'{results.get("img_path")} has no label map: its image must be '
                                 'loaded before, to know the size')
            results['gt_seg_map'] = np.full(results['img'].shape[:2], 255, np.uint8)
            results.setdefault('seg_fields', []).append('gt_seg_map')
            return results
        labels = _decode(get(path, backend_args=self.backend_args))
        if results.get('label_colours') is not None:
            labels = _ids_of_colours(labels, tuple(results['label_colours']), path)
        if labels.ndim != 2:
            raise ValueError(f'label map {path} has shape {labels.shape}; one channel of class ids '
                             'is needed')
        if labels.dtype == bool:
            labels = labels.astype(np.uint8)
        if labels.dtype != np.uint8:
            if labels.size and (labels.max() > 255 or labels.min() < 0):
                wrong = labels.max() if labels.max() > 255 else labels.min()
                raise ValueError(f'label map {path} holds the id {wrong}; allowed are 0 to 255')
            labels = labels.astype(np.uint8)
        # Test-time augmentation loads labels beside a resized image; they fit the stored one.
        shape = results.get('ori_shape') or (results['img'].shape if 'img' in results else None)
        if shape is not None and labels.shape != tuple(shape[:2]):
            raise ValueError(
                f'label map {path} is {labels.shape[1]}x{labels.shape[0]} pixels, its image '
                f'{results.get("img_path")} is {shape[1]}x{shape[0]}')
        table = id_table(bool(results.get('reduce_zero_label')), results.get('label_map'))
        results['gt_seg_map'] = labels if table is None else table[labels]
        results.setdefault('seg_fields', []).append('gt_seg_map')
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(backend_args={self.backend_args})'


def _decode(data: bytes) -> np.ndarray:
    """Return the stored ids of an image file.

    OpenCV takes two thirds of Pillow's time, but it turns palettes into colours and stretches ids
    of fewer than 8 bits, so it gets grey PNG files of 8 or 16 bits only. Some of its versions fill
    a truncated file up with zeros: the last chunk must be there.
    """
    # A PNG's first chunk: bit depth at byte 24, colour type at byte 25.
    if (data[:8] == b'\x89PNG\r\n\x1a\n' and data[24:26] in (b'\x08\x00', b'\x10\x00')
            and data[-8:] == b'IEND\xaeB`\x82'):
        labels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if labels is not None and labels.ndim == 2:
            return labels
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)


def _ids_of_colours(image: np.ndarray, colours: tuple, path: str) -> np.ndarray:
    """Return the ids that the colours of an image [H, W, 3] stand for, uint8 [H, W]."""
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f'label map {path} has shape {image.shape}; the dataset stores classes as '
                         'colours, three channels (red, green, blue) are needed')
    known = np.array([_packed(np.array(colour)) for colour, _ in colours])
    ids = np.array([class_id for _, class_id in colours], dtype=np.uint8)
    order = np.argsort(known)
    packed = _packed(image)
    places = np.searchsorted(known[order], packed).clip(max=len(known) - 1)
    wrong = known[order][places] != packed
    if wrong.mean() > _STRAY_SHARE:
        colour = tuple(int(v) for v in image[wrong][0])
        raise ValueError(f'{wrong.mean():.0%} of the label map {path} has colours that are no '
                         f'class, such as {colour}; the dataset has '
                         f'{", ".join(str(tuple(c)) for c, _ in colours)}')
    return np.where(wrong, np.uint8(255), ids[order][places])


def _packed(colours: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(colours.astype(np.int32), -1, 0)
    return red << 16 | green << 8 | blue


def id_table(reduce_zero_label: bool, label_map: dict | None) -> np.ndarray | None:
    """Return the new id of each stored id, [256] uint8; None where nothing changes."""
    if not reduce_zero_label and not label_map:
        return None
    table = np.arange(256)
    if reduce_zero_label:  # 0 becomes 255 (ignore), 255 stays, all others move down by one
        table = np.where((table == 0) | (table == 255), 255, table - 1)
    if label_map:
        new_id = np.arange(256)
        for old, new in label_map.items():
            if 0 <= old < 256:
                new_id[old] = new
        table = new_id[table]
    return table.astype(np.uint8)
