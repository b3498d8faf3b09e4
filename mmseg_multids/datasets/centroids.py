"""Where a dataset's objects are: the file that centroid sampling draws from."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ..files import replacing
from .label_maps import LabelMaps
from .multi_dataset import MultiDataset
from .randomness import mix, permuted

_FORMAT = 'mmseg_multids centroids 1'
_OBJECTS, _CLASSES = 4, 5  # streams of random numbers; those of the plans are 1 to 3
_ARRAYS = ('offsets', 'images', 'rows', 'columns', 'checksums')


class ObjectPoint(NamedTuple):
    """One object.

    Attributes:
        image: Position of its image in the dataset.
        centre: Row and column in the label map, as in :class:`.SampleRequest`.
        class_id: Its class.
    """

    image: int
    centre: tuple
    class_id: int


class ImageObjects(NamedTuple):
    """What an index keeps of one label map.

    Attributes:
        name: What the image is called.
        class_ids: Class of each object. [N]
        points: Row and column of each. [N, 2]
        checksum: :func:`label_checksum` of the label map.
    """

    name: str
    class_ids: np.ndarray
    points: np.ndarray
    checksum: int


class CentroidIndex:
    """The objects of one dataset's split by class, in one file (self-training, section 3.2).

    Draws are pure functions of integers, as those of the plans are: the objects of a class come in
    a pseudo-random order, each once per round, and any draw can be asked for at once. With several
    processes, process r of R takes the draws r, r + R, ...: they share no object within a round.

    Files hold everything that they were made from by name, a checksum of each label map, and a
    hash over all of it.

    Args:
        dataset: Name of the dataset's entry.
        split: Its split.
        classes: Names of its classes.
        images: Objects of each of its images, in the dataset's order.
        settings: How the objects were found; plain JSON.

    Raises:
        ValueError: A class id that the dataset does not have, or no image.

    Example:
        >>> index = open_centroids('centroids/city_train.npz', images, 'city')
        >>> image, centre, _ = index.sample(class_id=7, draw=position, seed=0)
    """

    def __init__(self, dataset: str, split: str | None, classes: Sequence[str],
                 images: Iterable[ImageObjects], settings: dict | None = None) -> None:
        images = list(images)
        if not images:
            raise ValueError(f'dataset {dataset!r}: a centroid index needs at least one image')
        class_ids = np.concatenate([np.asarray(i.class_ids, np.int64) for i in images])
        points = np.concatenate([np.asarray(i.points, np.int64).reshape(-1, 2) for i in images])
        if class_ids.size and not 0 <= class_ids.min() <= class_ids.max() < len(classes):
            raise ValueError(f'dataset {dataset!r} has {len(classes)} classes; an object has the '
                             f'class id {class_ids.max()}, or a negative one')
        image = np.repeat(np.arange(len(images)), [len(i.class_ids) for i in images])
        order = np.argsort(class_ids, kind='stable')
        counts = np.bincount(class_ids, minlength=len(classes))
        small = np.uint16 if points.size == 0 or points.max() < 2 ** 16 else np.uint32
        self._set({'dataset': dataset, 'split': split, 'classes': list(classes),
                   'settings': dict(settings or {}), 'names': [i.name for i in images]},
                  {'offsets': np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
                   'images': image[order].astype(np.uint32),
                   'rows': points[order, 0].astype(small),
                   'columns': points[order, 1].astype(small),
                   'checksums': np.array([i.checksum for i in images], dtype=np.uint32)})
        #: Where it was read from; ``None`` for one that was just made.
        self.path: str | None = None

    def _set(self, about: dict, arrays: dict) -> None:
        self._about, self._arrays = about, arrays
        self.dataset: str = about['dataset']
        self.split: str | None = about['split']
        self.classes: tuple[str, ...] = tuple(about['classes'])
        self.settings: dict = about['settings']
        #: What each image is called, in the dataset's order.
        self.names: tuple[str, ...] = tuple(about['names'])
        #: Hash over everything that the file holds.
        self.hash: str = _hash_of(about, arrays)
        #: Number of objects of each class. int64 [K]
        self.num_objects: np.ndarray = np.diff(arrays['offsets'])
        #: Ids of the classes that have objects.
        self.present: tuple[int, ...] = tuple(np.flatnonzero(self.num_objects).tolist())
        #: Names of the classes that have none.
        self.absent: tuple[str, ...] = tuple(
            name for name, count in zip(self.classes, self.num_objects) if not count)

    def __len__(self) -> int:
        """Number of objects."""
        return int(self._arrays['offsets'][-1])

    def __repr__(self) -> str:
        return (f'{type(self).__name__}({self.dataset}, split={self.split}: {len(self)} objects of '
                f'{len(self.present)} classes in {len(self.names)} images)')

    @property
    def num_images(self) -> np.ndarray:
        """Number of images with an object of each class. int64 [K]."""
        offsets, images = self._arrays['offsets'], self._arrays['images']
        # Images ascend within a class: each is counted where it begins.
        new = np.ones(len(images) + 1, dtype=np.int64)
        new[1:-1] = images[1:] != images[:-1]
        new[offsets[:-1]] = 1
        total = np.concatenate([[0], np.cumsum(new[:-1])])
        return total[offsets[1:]] - total[offsets[:-1]]

    def sample(self, class_id: int, draw: int, seed: int) -> ObjectPoint:
        """Return an object of a class: a pure function of the arguments.

        Args:
            class_id: The class.
            draw: How many objects of it were drawn before. After as many as it has, a new round
                begins in another order.
            seed: Seed of the run.

        Raises:
            ValueError: The class is unknown or has no object, or ``draw`` is negative.
        """
        if not 0 <= class_id < len(self.classes):
            raise ValueError(f'{self._where}: class id {class_id}; allowed are 0 to '
                             f'{len(self.classes) - 1}')
        size = int(self.num_objects[class_id])
        if not size:
            raise ValueError(f'{self._where}: class {self.classes[class_id]!r} has no object; '
                             f'without any are {", ".join(self.absent)}. Leave them out, or build '
                             'the index with a smaller min_area')
        if draw < 0:
            raise ValueError(f'draw={draw}: draws are counted from 0')
        rounds, place = divmod(draw, size)
        which = permuted(place, size, mix(seed, _OBJECTS, class_id, rounds))
        return self._object(int(self._arrays['offsets'][class_id]) + which, class_id)

    def sample_uniform(self, draw: int, seed: int) -> ObjectPoint:
        """Return an object; all classes that have any are drawn equally often.

        In each run of as many draws as there are such classes every one of them comes once, in an
        order of its own; each walks through its objects as in :meth:`sample`.

        Raises:
            ValueError: There is no object at all, or ``draw`` is negative.
        """
        if not self.present:
            raise ValueError(f'{self._where}: no class has an object')
        if draw < 0:
            raise ValueError(f'draw={draw}: draws are counted from 0')
        own, place = divmod(draw, len(self.present))
        which = permuted(place, len(self.present), mix(seed, _CLASSES, own))
        return self.sample(self.present[which], own, seed)

    def objects_of(self, image: int) -> list[ObjectPoint]:
        """Return the objects of an image, by class."""
        found = np.flatnonzero(self._arrays['images'] == image)
        classes = np.searchsorted(self._arrays['offsets'], found, side='right') - 1
        return [self._object(int(i), int(c)) for i, c in zip(found, classes)]

    def _object(self, which: int, class_id: int) -> ObjectPoint:
        arrays = self._arrays
        return ObjectPoint(int(arrays['images'][which]),
                           (int(arrays['rows'][which]), int(arrays['columns'][which])), class_id)

    @property
    def _where(self) -> str:
        return f'centroid index {self.path or f"of {self.dataset}"}'

    def check(self, maps: LabelMaps, num_maps: int = 3) -> None:
        """Refuse a dataset that the index was not made from.

        Args:
            maps: The dataset's label maps.
            num_maps: So many of them, evenly spread, are read and compared.

        Raises:
            ValueError: Other classes, images, or label maps; the first difference is named.
        """
        again = ('; build it again with tools/build_centroids.py, or name the index of this '
                 'dataset and split')
        begin = f'{self._where} does not fit dataset {maps.dataset!r}: '
        for what, own, theirs in (
                ('class', self.classes, maps.classes),
                ('image', self.names, [maps.name(i) for i in range(len(maps))])):
            for i, (mine, other) in enumerate(zip(own, theirs)):
                if mine != other:
                    raise ValueError(f'{begin}its {what} {i} is {mine!r}, that of the dataset '
                                     f'{other!r}{again}')
            if len(own) != len(theirs):
                raise ValueError(f'{begin}it was made from {len(own)} {what}(es), the dataset has '
                                 f'{len(theirs)}{again}')
        count = min(num_maps, len(maps))
        for i in (k * (len(maps) - 1) // max(count - 1, 1) for k in range(count)):
            if label_checksum(maps[i]) != self._arrays['checksums'][i]:
                raise ValueError(f'{begin}the label map of image {i} ({self.names[i]}) is not the '
                                 f'one that it was made from{again}')

    def save(self, path: str | os.PathLike) -> None:
        """Write the file: whole, or not at all."""
        with replacing(path) as file, open(file, 'wb') as stream:
            np.savez(stream, about=_bytes_of(_text_of(self._about)),
                     hash=_bytes_of(self.hash), **self._arrays)
        self.path = str(path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> CentroidIndex:
        """Read a file; :func:`open_centroids` also checks that it fits a dataset.

        Raises:
            FileNotFoundError: There is none.
            ValueError: It is no centroid index, or not as it was written.
        """
        if not os.path.isfile(path):
            raise FileNotFoundError(f'centroid index {path} does not exist; make it with '
                                    'tools/build_centroids.py')
        try:
            with np.load(path, allow_pickle=False) as stored:
                about = json.loads(stored['about'].tobytes())
                written = stored['hash'].tobytes().decode()
                arrays = {name: stored[name] for name in _ARRAYS}
            if about.pop('format') != _FORMAT:
                raise ValueError(f'its format is not {_FORMAT!r}')
            index = cls.__new__(cls)
            index._set(about, arrays)
        except (AttributeError, EOFError, KeyError, TypeError, ValueError, OSError,
                zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f'{path} is no centroid index of this package: {error}; make one with '
                             'tools/build_centroids.py') from error
        if written != index.hash:
            raise ValueError(f'centroid index {path} is not as it was written: its hash is '
                             f'{index.hash[:16]}, the one in it {written[:16]}; build it again')
        index.path = str(path)
        return index


def open_centroids(path: str | os.PathLike, images: MultiDataset, dataset: str,
                   num_maps: int = 3) -> CentroidIndex:
    """Read an index for a dataset of a :class:`MultiDataset`, and check that it fits.

    Args:
        path: File of ``tools/build_centroids.py``.
        images: The datasets.
        dataset: Name of the one.
        num_maps: So many label maps are read and compared with what the index was made from.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no index, was changed, or is of other classes, images or label maps.
    """
    index = CentroidIndex.load(path)
    index.check(LabelMaps(images, dataset), num_maps)
    return index


def label_checksum(labels: np.ndarray) -> int:
    """Return a checksum of a label map's size and ids, whatever its number type."""
    if labels.size == 0 or labels.max() < 256:
        labels = labels.astype(np.uint8, copy=False)
    else:
        labels = labels.astype('<u4')
    return zlib.crc32(np.ascontiguousarray(labels), zlib.crc32(repr(labels.shape).encode()))


def _text_of(about: dict) -> str:
    return json.dumps({'format': _FORMAT, **about}, sort_keys=True, ensure_ascii=False)


def _bytes_of(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _hash_of(about: dict, arrays: dict) -> str:
    digest = hashlib.sha256(_text_of(about).encode())
    for name in _ARRAYS:
        array = arrays[name]
        digest.update(f'{name} {array.dtype.str} {array.shape}'.encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()
