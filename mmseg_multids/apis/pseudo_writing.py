"""Writing the pseudo labels of one image, and choosing among them."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..datasets.pseudo_folder import PseudoLabelFolder
from ..files import replacing, write_ids
from .pseudo_images import ImageList
from .pseudo_statistics import image_record
from .pseudo_teacher import Completion, Teacher, UnreadableImage


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Write a file as a whole; say what to do where there is no space for it."""
    with enough_space(path), replacing(path) as file:
        yield file


@contextmanager
def enough_space(path: Path) -> Iterator[None]:
    """Say what to do where there is no space for a file."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, getattr(errno, 'EDQUOT', errno.ENOSPC)):
            raise OSError(error.errno, f'no space left to write {path}. What is written is whole: '
                          'free some space and give the same command again') from error
        raise


@dataclass
class LabelImages:
    """Labels one image at a time.

    Attributes:
        folder: Where the files go.
        images: The images.
        teacher: The model.
        num_classes: Number of classes of the target.
        ignore_index: Id of pixels without a label.
        soft: So many largest scores of each pixel are written.
        threshold: Pixels of a lower largest score are ignored.
        unfiltered: Write labels and confidences from which a share is chosen later.
        completion: How labels that are there are completed.
    """

    folder: PseudoLabelFolder
    images: ImageList
    teacher: Teacher
    num_classes: int
    ignore_index: int
    soft: int = 0
    threshold: float = 0.0
    unfiltered: bool = False
    completion: Completion | None = None

    def done(self, index: int) -> bool:
        """Whether an image has all of its files."""
        name = self.images.name(index)
        return self.folder.label(name).is_file() or (
            self.unfiltered and self.folder.unfiltered(name).is_file())

    def start(self, device: str | None) -> None:
        """Move the teacher to a device."""
        if device is not None:
            self.teacher.model.to(device)
        self.teacher.model.eval()

    def __call__(self, index: int) -> None:
        """Label one image, or note why it cannot be read."""
        name = self.images.name(index)
        try:
            loaded = self.teacher.load(self.images.path(index))
            given = self._given(index, loaded['img'].shape[:2])
        except UnreadableImage as error:
            self._write_record(name, {'error': str(error)})
            return
        scores = self.teacher.scores(loaded)
        ids, values = top_scores(scores, max(1, self.soft),
                                 None if self.completion is None else self.completion.added)
        if not np.isfinite(values[0]).all():
            raise ValueError(f'{self.images.path(index)}: the model\'s scores are not finite')
        # All [K, H, W]; the first is the hard label.
        levels = (values.clip(0, 1) * 255).round().astype(np.uint8)
        passed = values[0] >= np.float32(self.threshold)
        labels, known = ids[0].astype(np.int64), None
        if given is not None:
            known = given != self.num_classes + 1  # labelled, with or without a class of the target
            labels = np.where(known, given, labels)
            self._keep_given(ids, levels, known, given)
        if self.soft:
            kind = np.uint8 if self.num_classes <= 256 else np.uint16
            with writing(self.folder.soft(name)) as file, open(file, 'wb') as stream:
                np.savez_compressed(stream, ids=ids.astype(kind), scores=levels)
        self._write_record(name, image_record(labels, levels[0], passed, known, self.num_classes,
                                              self.unfiltered))
        kept = passed if known is None else passed | known
        labels = _as_stored(np.where(kept, labels, self.num_classes), self.num_classes,
                            self.ignore_index)
        if self.unfiltered:
            with writing(self.folder.unfiltered(name)) as file, open(file, 'wb') as stream:
                np.savez_compressed(stream, labels=labels, levels=levels[0],
                                    **({} if known is None else {'given': known}))
        else:
            write_label(self.folder.label(name), labels)

    def _given(self, index: int, shape: tuple[int, int]) -> np.ndarray | None:
        """Return the class of each labelled pixel; one more: none of these; two more: unlabelled.

        Raises:
            UnreadableImage: The label map cannot be read, or is of another size.
        """
        if self.completion is None:
            return None
        maps = self.images.label_maps
        try:
            labels = maps[self.images.positions[index]]
        except ValueError as error:
            raise UnreadableImage(str(error)) from error
        if labels.shape != tuple(shape):
            raise UnreadableImage(f'its label map is {labels.shape[1]}x{labels.shape[0]} pixels, '
                                  f'it is {shape[1]}x{shape[0]}')
        table = np.full(max(256, maps.ignore_index + 1), self.num_classes + 1)
        translated = self.completion.translated
        table[:len(translated)] = np.where(translated < 0, self.num_classes, translated)
        table[maps.ignore_index] = self.num_classes + 1
        return table[labels]

    def _keep_given(self, ids: np.ndarray, levels: np.ndarray, known: np.ndarray,
                    given: np.ndarray) -> None:
        """Make soft labels certain where there is a label."""
        ids[0] = np.where(known & (given < self.num_classes), given, ids[0])
        levels[0] = np.where(known, np.where(given < self.num_classes, 255, 0), levels[0])
        levels[1:][:, known] = 0

    def _write_record(self, name: str, record: dict) -> None:
        with writing(self.folder.record(name)) as file:
            file.write_text(json.dumps(record), encoding='utf-8')


@dataclass
class SelectPixels:
    """Keeps the pixels of one image at a time that are confident enough for their class.

    Attributes:
        folder: Where the files are.
        images: The images.
        num_classes: Number of classes.
        ignore_index: Id of pixels without a label.
        lowest: Lowest level of each class that is kept.
    """

    folder: PseudoLabelFolder
    images: ImageList
    num_classes: int
    ignore_index: int
    lowest: list[int]

    def done(self, index: int) -> bool:
        """Whether there is nothing to do, or nothing to do it with."""
        name = self.images.name(index)
        return self.folder.label(name).is_file() or not self.folder.unfiltered(name).is_file()

    def start(self, device: str | None) -> None:
        """Do nothing: there is no model."""

    def __call__(self, index: int) -> None:
        """Write an image's label map."""
        name = self.images.name(index)
        with np.load(self.folder.unfiltered(name), allow_pickle=False) as stored:
            labels, levels = stored['labels'], stored['levels']
            given = stored['given'] if 'given' in stored else False
        # By id, with the id of no label last.
        lowest = np.array([*self.lowest, 0])[np.minimum(labels, self.num_classes)]
        labels = np.where((levels >= lowest) | given, labels, labels.dtype.type(self.ignore_index))
        write_label(self.folder.label(name), labels)


def top_scores(scores: Tensor, count: int,
               among: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest scores of each pixel, the first class winning ties.

    Args:
        scores: Shape [C, H, W].
        count: So many of them, K.
        among: Classes that are taken; a score of others is 0. [C], bool. Default: all.

    Returns:
        Ids and scores. Shape [K, H, W] each, int64 and float32.
    """
    scores = scores.float()
    if among is not None:
        scores = scores.clone()
        scores[~torch.from_numpy(among).to(scores.device)] = -1
    ids, values = [], []
    for place in range(count):
        # On a CPU in a half to a quarter of the time of `argmax`.
        value, best = scores.max(dim=0, keepdim=True)
        ids.append(best)
        values.append(value)
        if place < count - 1:
            scores = scores.scatter(0, best, -2)
    return torch.cat(ids).cpu().numpy(), torch.cat(values).cpu().numpy()


def write_label(path: Path, labels: np.ndarray) -> None:
    """Write a label map as PNG, with as many bits as its type has."""
    with enough_space(path):
        write_ids(path, labels, 256 if labels.dtype == np.uint8 else 1 << 16)


def _as_stored(labels: np.ndarray, num_classes: int, ignore_index: int) -> np.ndarray:
    kind = np.uint8 if ignore_index == 255 else np.uint16
    return np.where(labels < num_classes, labels, ignore_index).astype(kind)
