"""Images without labels, from any folder."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mmengine.dataset import BaseDataset
from mmengine.fileio import isdir, join_path, list_dir_or_file

from ..registry import DATASETS


@DATASETS.register_module()
class UnlabelledImages(BaseDataset):
    """All images in a folder and the folders below it; every pixel is unlabelled.

    Any other dataset's images are taken without their labels by ``unlabelled=True`` in its entry.

    Args:
        img_suffixes: Endings of image files, in lower case.
        **kwargs: As in MMEngine's ``BaseDataset``; ``data_root``, and ``data_prefix=dict(
            img_path=...)`` below it, name the folder.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: It has no images.

    Example:
        >>> photos = dict(name='photos', type='UnlabelledImages', data_root='data/photos')
    """

    #: Says that entries of this type have no classes.
    UNLABELLED = True
    METAINFO: dict = {}

    def __init__(self, img_suffixes: Sequence[str] = ('.jpg', '.jpeg', '.png'), **kwargs) -> None:
        if isinstance(img_suffixes, str):
            raise ValueError(f'UnlabelledImages: img_suffixes={img_suffixes!r}: a list is needed')
        self.img_suffixes = tuple(suffix.lower() for suffix in img_suffixes)
        self.img_suffix = self.img_suffixes[0]
        kwargs.setdefault('data_prefix', {'img_path': ''})
        super().__init__(**kwargs)

    def load_data_list(self) -> list[dict]:
        """Return the path of each image, in alphabetical order."""
        folder = self.data_prefix.get('img_path') or self.data_root
        if not folder or not isdir(folder):
            raise FileNotFoundError(f'UnlabelledImages: folder {folder!r} does not exist')
        paths = sorted(path for path in list_dir_or_file(folder, list_dir=False, recursive=True)
                       if os.path.splitext(path)[1].lower() in self.img_suffixes)
        if not paths:
            raise ValueError(f'UnlabelledImages: no image in {folder!r} or below ends in '
                             f'{", ".join(self.img_suffixes)}; name other endings with '
                             'img_suffixes')
        return [{'img_path': join_path(folder, path), 'seg_map_path': None, 'seg_fields': []}
                for path in paths]
