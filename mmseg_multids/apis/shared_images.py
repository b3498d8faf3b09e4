"""Images that are both searched with and tested: what is found of them is not honest."""

from __future__ import annotations

import logging
import os

from mmengine.logging import print_log

from ..datasets import MultiDataset
from .whole_images import positions_of


def shared_images(search: MultiDataset, test: MultiDataset, dataset: str,
                  search_images: int | None = None, test_images: int | None = None) -> int:
    """Count the images of a dataset that are both searched with and tested.

    Args:
        search: Images of the search.
        test: Images of the test.
        dataset: A dataset of both.
        search_images: The search uses so many. Default: all.
        test_images: The test uses so many. Default: all.

    Returns:
        The number of files, links followed, that are among both.
    """
    return len(_files(search, dataset, search_images) & _files(test, dataset, test_images))


def warn_of_shared_images(search: MultiDataset, test: MultiDataset, dataset: str,
                          search_images: int | None = None,
                          test_images: int | None = None) -> None:
    """Warn where :func:`shared_images` finds any."""
    shared = shared_images(search, test, dataset, search_images, test_images)
    if not shared:
        return
    count = len(positions_of(test, dataset, test_images))
    print_log(f'{dataset}: {shared} of the {count} images that are tested are also searched with. '
              'Their labels decide what predictions stand for, so its figures are too high. Search '
              f'with a split that has none of them, or divide the images in the entry of {dataset}',
              logger='current', level=logging.WARNING)


def _files(images: MultiDataset, dataset: str, max_images: int | None) -> set[str]:
    paths = (images.get_data_info(i).get('img_path')
             for i in positions_of(images, dataset, max_images))
    return {os.path.realpath(path) for path in paths if path}
