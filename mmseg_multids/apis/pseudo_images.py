"""Which images get pseudo labels: those of folders, files, or a dataset."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..datasets import MultiDataset
from ..datasets.label_maps import LabelMaps
from ..datasets.metainfo import is_unlabelled, whole_entry
from ..datasets.multi_dataset import build_entry
from ..datasets.pseudo_folder import check_label_names, label_name
from .trained import name_of

#: Endings of image files, in lower case.
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')
_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


@dataclass
class ImageList:
    """Images below one folder.

    Attributes:
        root: The folder.
        images: Their paths below it, with ``/``.
        dataset: The dataset that they are of, if any.
        label_maps: That dataset's label maps, where they are needed.
        positions: Where the label map of each image stands among them.
    """

    root: str
    images: list[str]
    dataset: str | None = None
    label_maps: LabelMaps | None = None
    positions: list[int] | None = None

    def __post_init__(self) -> None:
        check_label_names(self.images)

    def __len__(self) -> int:
        return len(self.images)

    def path(self, index: int) -> str:
        """Return the file of an image."""
        return os.path.join(self.root, self.images[index])

    def name(self, index: int) -> str:
        """Return what an image is called: its path below the root, no suffix."""
        return label_name(self.images[index])


def images_in(paths: Sequence[str | os.PathLike],
              leave_out: str | os.PathLike | None = None) -> ImageList:
    """Find images.

    Args:
        paths: Folders, of which all images below are taken, and files.
        leave_out: A folder of which nothing is taken.

    Raises:
        FileNotFoundError: A folder or file does not exist.
        ValueError: There is no image; two would get the same label.
    """
    files: list[str] = []
    for path in map(os.fspath, paths):
        if os.path.isdir(path):
            found = sorted(_images_below(path, leave_out))
            if not found:
                raise ValueError(f'no image in {path} or below ends in '
                                 f'{", ".join(IMAGE_SUFFIXES)}')
            files += found
        elif os.path.isfile(path):
            files.append(path)
        else:
            raise FileNotFoundError(f'image or folder {path} does not exist')
    if not files:
        raise ValueError('no images: name folders or files')
    single = len(paths) == 1 and os.path.isdir(paths[0])
    return _listed(files, os.fspath(paths[0]) if single else None)


def _images_below(folder: str, leave_out: str | os.PathLike | None) -> Iterator[str]:
    without = None if leave_out is None else os.path.realpath(leave_out)
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [f for f in folders if os.path.realpath(os.path.join(place, f)) != without]
        yield from (os.path.join(place, name) for name in names
                    if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES)


def _listed(files: Sequence[str], root: str | None) -> ImageList:
    files = [os.path.abspath(file) for file in files]
    root = os.path.commonpath([os.path.dirname(f) for f in files]) if root is None \
        else os.path.abspath(root)
    return ImageList(root, list(dict.fromkeys(Path(os.path.relpath(file, root)).as_posix()
                                              for file in files)))


def images_of_dataset(cfg: Config, dataset: str, split: str | None = None,
                      labels: bool = False) -> ImageList:
    """Find the image files of a dataset that a config's loaders have.

    Args:
        cfg: Config.
        dataset: Name of the dataset.
        split: One of its entry's ``splits``. Default: that of the loader it stands in.
        labels: Also give its label maps.

    Raises:
        FileNotFoundError: Its folder is missing.
        ValueError: The config has no such dataset or split; its images are no files; it has no
            labels though they are needed; two images would get the same label.
    """
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    entry, loader = _entry_named(cfg, dataset)
    split = loader.get('split') if split is None else split
    pipeline = entry.get('pipeline') or loader.get('pipeline') or []
    if labels and is_unlabelled(entry):
        raise ValueError(f'dataset {dataset!r} has no labels that could be completed')
    if labels:
        whole = MultiDataset([entry], split=split, pipeline=pipeline)
        own, maps = whole.datasets[dataset], LabelMaps(whole, dataset)
    else:
        own, maps = build_entry(entry, split, pipeline, False), None
        own.full_init()
    paths = [own.get_data_info(i).get('img_path') for i in range(len(own))]
    files = [path for path in paths if path and os.path.isfile(path)]
    if not files:
        raise ValueError(f'none of the {len(paths)} images of dataset {dataset!r} is a file '
                         f'(such as {paths[0] if paths else None}); ToyWorld is written to files '
                         'by tools/make_toyworld.py')
    folder = os.path.abspath(str(getattr(own, 'data_prefix', {}).get('img_path') or os.sep))
    inside = all(os.path.abspath(p).startswith(os.path.join(folder, '')) for p in paths)
    found = _listed(paths, folder if inside and folder != os.sep else None)
    found.dataset = dataset
    if maps is not None:
        position: dict[str, int] = {}
        for i, path in enumerate(paths):
            position.setdefault(os.path.abspath(path), i)
        found.label_maps = maps
        found.positions = [position[os.path.abspath(found.path(i))] for i in range(len(found))]
    return found


def _entry_named(cfg: Config, dataset: str) -> tuple[dict, dict]:
    """Return an entry and the configured MultiDataset that has it, training first."""
    known: list[str] = []
    for key in _LOADERS:
        loader = (cfg.get(key) or {}).get('dataset') or {}
        for entry in map(whole_entry, loader.get('datasets') or ()):
            if entry['name'] == dataset:
                return entry, loader
            known.append(entry['name'])
    raise ValueError(f'{name_of(cfg)} has no dataset {dataset!r}; its loaders have '
                     f'{", ".join(dict.fromkeys(known)) or "none"}')
