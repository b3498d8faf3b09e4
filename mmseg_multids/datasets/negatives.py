"""Lists of negative images: those that show nothing a dataset is about, such as no street."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from pathlib import Path

from mmengine.logging import print_log


def read_negatives(path: str | os.PathLike, data_root: str | os.PathLike | None = None,
                   img_suffix: str = '') -> frozenset[str]:
    """Read the names of a dataset's negative images.

    Args:
        path: Text file with a name per line: the image's path below the folder of the images, with
            or without its suffix. Lines that are empty or begin with ``#`` do not count.
        data_root: Folder that a relative ``path`` starts from.
        img_suffix: Suffix of the images.

    Raises:
        FileNotFoundError: There is no such file.
    """
    file = Path(data_root or '') / path
    if not file.is_file():
        raise FileNotFoundError(f'list of negative images {file} does not exist; a relative path '
                                'starts from data_root')
    ending = ''.join(img_suffix.rpartition('.')[1:]) if '.' in img_suffix else ''
    lines = [line.strip().replace(os.sep, '/') for line in
             file.read_text(encoding='utf-8').splitlines()]
    return frozenset(line.removesuffix(ending) for line in lines
                     if line and not line.startswith('#'))


def check_negatives(dataset: str, negatives: Collection[str], images: Collection[str],
                    path: str | os.PathLike) -> None:
    """Compare a list with a dataset's images.

    Names of no image are allowed, as one list may serve several splits; they are warned of.

    Raises:
        ValueError: Not one of the names is an image.
    """
    unknown = sorted(set(negatives) - set(images))
    if not unknown:
        return
    example = ', '.join(repr(name) for name in unknown[:3])
    if len(unknown) == len(negatives):
        raise ValueError(f'dataset {dataset}: {path} names no image of it: it has {example}; '
                         f'images are called {min(images)!r} and so on')
    print_log(f'dataset {dataset}: {len(unknown)} of {len(negatives)} names in {path} are no image '
              f'of this split: {example}', logger='current', level=logging.WARNING)
