"""Pseudo labels of a teacher, as a folder that a student trains on.

Zhu et al., "Improving semantic segmentation via self-training", arXiv 2004.14960, 2020, sections
3.1 and 4.3.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.dist import barrier, get_rank, get_world_size

from ..datasets.pseudo_folder import FORMAT, PseudoLabelFolder, label_name
from ..models import MultiDatasetSegmentor
from ..processes import on_rank_0
from ..visualization.pseudo_labels import draw_pseudo_labels
from .pseudo_images import ImageList, images_in
from .pseudo_statistics import collect_statistics, lowest_levels
from .pseudo_teacher import (
    Augmentation,
    Teacher,
    check_target,
    completion,
    space_of_target,
)
from .pseudo_writing import LabelImages, SelectPixels, writing
from .share_out import share_out

#: Images on the contact sheet.
_SHEET = 12
#: Of so many images pixels are chosen in less time than processes take to start.
_FEW = 1000


class PseudoLabels(NamedTuple):
    """What was made.

    Attributes:
        folder: Where it lies.
        statistics: Of :func:`.pseudo_statistics.collect_statistics`.
        failed: Why each image that could not be read was not.
    """

    folder: Path
    statistics: dict
    failed: dict[str, str]


def generate_pseudo_labels(
        model: MultiDatasetSegmentor, images: ImageList | Sequence[str | os.PathLike],
        out: str | os.PathLike, checkpoint: str | os.PathLike, label_space: str | None = None,
        images_of: str | None = None, scales: Sequence[float] = (1.0,), flip: bool = False,
        tile: tuple[int, int] | None = None, overlap: float = 1 / 3, soft: int = 0,
        threshold: float = 0.0, portion: float | Mapping[str | None, float] | None = None,
        complete: bool = False, processes: int = 1,
        say: Callable[[str], None] | None = None) -> PseudoLabels:
    """Label images by a trained model; what is in the folder already is kept.

    Every process of a distributed run takes its share of the images. A call that was stopped is
    continued by the same call, whatever the number of processes; the files are the same.

    Args:
        model: Teacher, with its config as ``cfg`` (as of ``init_model``).
        images: Folders and files, or what :func:`.images_of_dataset` found.
        out: Folder to write, see ``docs/self_training.md``.
        checkpoint: File of the model's weights; the manifest has its checksum.
        label_space: Classes of the labels: a dataset of the model, or ``'unified'`` for its nodes.
            Default: the model's only dataset.
        images_of: The dataset whose batch norms apply to the images. Default: the dataset of the
            images if the model knows it, else the label space if it is a dataset.
        scales: The scores are averaged over images of these sizes (section 4.3 of testing; the
            paper does not say whether pseudo labels are made so),
        flip: also mirrored ones.
        tile: Height and width of the tiles that an image is scored in. Default: as ``test_cfg``.
        overlap: Share of a tile that it has in common with the next one.
        soft: Also write so many largest scores of each pixel; 0: none.
        threshold: Pixels of less confidence (the largest score) are ignored.
        portion: Of each class this share of its pixels over all images is kept, the most confident
            ones. A dictionary has shares by class; ``None`` in it stands for all others (1).
        complete: Keep the images' own labels and add the classes that they lack; see
            :func:`.completion`. ``images`` must be a dataset with its label maps.
        processes: Processes on this machine; with GPUs each takes one in turn.
        say: Called every few seconds with how far it is.

    Raises:
        FileNotFoundError: An image, folder or checkpoint does not exist.
        OSError: There is no space left; the file is named.
        ValueError: A setting or name that cannot be; the folder was made with something else.
    """
    if not isinstance(images, ImageList):
        images = images_in(images, leave_out=out)
    if images_of is None and images.dataset in model.label_space.datasets:
        images_of = images.dataset
    target, images_of = check_target(model, label_space, images_of)
    space = space_of_target(model, target)
    if not 0 <= soft <= space.num_classes:
        raise ValueError(f'soft={soft}: from 0 to {space.num_classes}, the number of classes, are '
                         'allowed')
    if not 0 <= threshold <= 1:
        raise ValueError(f'threshold={threshold}: a score from 0 to 1 is needed')
    if processes < 1 or (processes > 1 and get_world_size() > 1):
        raise ValueError(f'processes={processes}: at least 1 is needed, and no more in a '
                         'distributed run, which has its own')
    portions = _portions(portion, space.classes)
    added = None
    if complete:
        if images.label_maps is None:
            raise ValueError('complete: the images have no labels that could be completed; name '
                             'their dataset (--dataset)')
        added = completion(model, images.dataset, target)
    teacher = Teacher(model, target, images_of,
                      Augmentation(tuple(map(float, scales)), flip, tile, overlap))
    folder = PseudoLabelFolder(out)
    manifest = {
        'format': FORMAT, 'checkpoint_sha256': sha256_of(checkpoint), 'target': target,
        'classes': list(space.classes), 'palette': [list(c) for c in space.palette],
        'ignore_index': 255 if space.num_classes <= 255 else 65535,
        'settings': {'images_of': images_of, 'scales': list(map(float, scales)), 'flip': flip,
                     'test_cfg': _plain(teacher.test_cfg),
                     'pipeline': _plain([teacher.loader, *teacher.steps]), 'soft': soft,
                     'threshold': float(threshold), 'portion': portions,
                     'complete': images.dataset if complete else None},
        'image_root': images.root, 'images': list(images.images)}
    model.eval()
    on_rank_0(lambda: folder.begin(manifest))
    gpus = torch.cuda.device_count() if next(model.parameters()).is_cuda else 0
    mine = range(get_rank(), len(images), get_world_size())
    said = say if get_rank() == 0 else None

    work = LabelImages(folder, images, teacher, space.num_classes, manifest['ignore_index'], soft,
                       float(threshold), portions is not None, added)
    with _sendable(model, processes):
        share_out(work, [i for i in mine if not work.done(i)], processes, gpus, said)
    barrier()
    if portions is not None:
        lowest = on_rank_0(lambda: _choose(folder, images, [portions[c] for c in space.classes]))
        select = SelectPixels(folder, images, space.num_classes, manifest['ignore_index'], lowest)
        left = [i for i in mine if not select.done(i)]
        share_out(select, left, processes if len(left) > _FEW else 1, 0, said)
        barrier()
    on_rank_0(lambda: _finish(folder, images, manifest))
    with open(folder.path / 'statistics.json', encoding='utf-8') as file:
        return PseudoLabels(folder.path, json.load(file), folder.read_failed())


def _portions(portion, classes: Sequence[str]) -> dict[str, float] | None:
    if portion is None:
        return None
    given = dict(portion) if isinstance(portion, Mapping) else {None: portion}
    others = given.pop(None, 1.0)
    unknown = [name for name in given if name not in classes]
    if unknown:
        raise ValueError(f'portion has the class {unknown[0]!r}; the labels have '
                         f'{", ".join(classes)}')
    for value in (others, *given.values()):
        if not 0 <= value <= 1:
            raise ValueError(f'portion={value}: a share from 0 to 1 is needed')
    return {name: float(given.get(name, others)) for name in classes}


def sha256_of(path: str | os.PathLike) -> str:
    """Return the checksum of a checkpoint file."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _plain(part):
    """Return a part of a config as JSON has it."""
    return json.loads(json.dumps(part, default=str))


class _sendable:  # noqa: N801 (a context manager)
    """Move a model off its GPU while other processes get copies of it."""

    def __init__(self, model: torch.nn.Module, processes: int) -> None:
        self._model = model if processes > 1 else None

    def __enter__(self) -> None:
        if self._model is not None:
            self._device = next(self._model.parameters()).device
            self._model.cpu()

    def __exit__(self, *_) -> None:
        if self._model is not None:
            self._model.to(self._device)


def _records(folder: PseudoLabelFolder, images: Sequence[str]) -> Iterator[tuple[str, dict]]:
    """Yield what is known of each image that was tried."""
    for image in images:
        file = folder.record(label_name(image))
        if file.is_file():
            yield image, json.loads(file.read_text(encoding='utf-8'))


def _choose(folder: PseudoLabelFolder, images: ImageList, portions: Sequence[float]) -> list[int]:
    """Return the lowest level of each class that is kept; labels made with others are deleted."""
    lowest = lowest_levels((record for _, record in _records(folder, images.images)
                            if 'error' not in record), portions)
    file = folder.path / 'thresholds.json'
    present = json.loads(file.read_text(encoding='utf-8')) if file.is_file() else None
    if present != lowest:
        # Another image can be read by now, so other pixels are the most confident ones.
        shutil.rmtree(folder.path / 'labels', ignore_errors=True)
        _write_json(file, lowest)
    return lowest


def _finish(folder: PseudoLabelFolder, images: ImageList, manifest: dict) -> None:
    """Write what is said of all images, and remove what is not needed any more."""
    made = {name for name in map(label_name, images.images) if folder.label(name).is_file()}
    failed = {image: record['error'] for image, record in _records(folder, images.images)
              if 'error' in record and label_name(image) not in made}
    if failed:
        _write_json(folder.failed_file, failed)
    else:
        folder.failed_file.unlink(missing_ok=True)
        shutil.rmtree(folder.path / 'unfiltered', ignore_errors=True)
    file = folder.path / 'thresholds.json'
    lowest = json.loads(file.read_text(encoding='utf-8')) if file.is_file() else None
    statistics = collect_statistics(
        (record for image, record in _records(folder, images.images)
         if label_name(image) in made), manifest['classes'], lowest)
    _write_json(folder.path / 'statistics.json', {**statistics, 'failed': len(failed)})
    shown = [image for image in images.images if label_name(image) in made]
    shown = [shown[i * len(shown) // min(_SHEET, len(shown))]
             for i in range(min(_SHEET, len(shown)))]
    if shown:
        with writing(folder.path / 'contact_sheet.png') as file:
            draw_pseudo_labels(
                [(os.path.join(images.root, image), folder.label(label_name(image)))
                 for image in shown], manifest['classes'], manifest['palette'], file)
    for file in list(folder.path.rglob('*.tmp')):  # of processes that were killed
        file.unlink(missing_ok=True)


def _write_json(path: Path, content) -> None:
    with writing(path) as file:
        file.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding='utf-8')
