"""Images with the labels of a teacher."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mmseg.datasets import BaseSegDataset

from ..registry import DATASETS
from .pseudo_folder import PseudoLabelFolder, find_pseudo_labels, label_name

#: So many names are listed in errors.
_LISTED = 5


@DATASETS.register_module()
class PseudoLabelDataset(BaseSegDataset):
    """The images and labels of a folder that ``tools/pseudo_label.py`` wrote.

    Classes, colours and the list of images are those of its manifest. Images that could not be
    read then are left out.

    Args:
        folder: The folder: as it stands, else below ``MULTIDS_DATA_ROOT`` or ``data/``.
        image_root: Folder of the images. Default: where they were when they were labelled.
        soft: Also give the files of soft labels (``soft_path``), for :class:`LoadSoftLabel`.
        metainfo: As in ``BaseSegDataset``; ``classes`` must be those of the labels. With them the
            dataset can be built before the folder is there.
        **kwargs: As in ``BaseSegDataset``, but for what names files.

    Raises:
        FileNotFoundError: There is no such folder, or the images are not where they were.
        ValueError: The labelling was not finished; there are other label maps than it made; other
            classes, or more than 255; ``soft`` without soft labels.

    Example:
        >>> city_pseudo = dict(name='city_pseudo', type='PseudoLabelDataset', folder='pseudo/city')
    """

    def __init__(self, folder: str | os.PathLike, image_root: str | os.PathLike | None = None,
                 soft: bool = False, metainfo: dict | None = None, lazy_init: bool = False,
                 **kwargs) -> None:
        fixed = sorted({'ann_file', 'data_root', 'data_prefix', 'img_suffix', 'seg_map_suffix'}
                       & set(kwargs))
        if fixed:
            raise ValueError(f'PseudoLabelDataset has no {fixed[0]}: its folder says which files '
                             'there are; images elsewhere are named by image_root')
        if kwargs.get('reduce_zero_label') or kwargs.get('ignore_index', 255) != 255:
            raise ValueError('PseudoLabelDataset: reduce_zero_label must be False and ignore_index '
                             '255, as the labels were written')
        self.folder, self.image_root, self.soft = folder, image_root, soft
        own = self.metainfo_from_cfg({'folder': folder, 'metainfo': metainfo})
        super().__init__(metainfo={**own, **(metainfo or {})}, reduce_zero_label=False,
                         data_prefix={'img_path': ''}, lazy_init=True, **kwargs)
        if not lazy_init:
            self.full_init()

    @classmethod
    def metainfo_from_cfg(cls, cfg: dict) -> dict:
        """Return classes and palette of the folder that a config names.

        Nothing where the config's ``metainfo`` has classes: then the folder need not be there yet.
        """
        if (cfg.get('metainfo') or {}).get('classes'):
            return {}
        if cfg.get('folder') is None:
            raise ValueError(f'dataset {cfg.get("name", "")!r} needs folder=DIR, the --out of '
                             'tools/pseudo_label.py')
        folder = find_pseudo_labels(cfg['folder'])
        manifest = folder.read_manifest()
        _refuse_16_bits(folder, manifest)
        return {'classes': tuple(manifest['classes']), 'palette': manifest['palette']}

    def load_data_list(self) -> list[dict]:
        """Return the files of each image, in the order of the manifest."""
        folder = find_pseudo_labels(self.folder)
        manifest = folder.read_manifest()
        _refuse_16_bits(folder, manifest)
        _check_classes(folder, manifest['classes'], self.metainfo['classes'])
        if self.soft and not manifest['settings'].get('soft'):
            raise ValueError(f'{folder.path} has no soft labels; make them with tools/pseudo_label'
                             '.py --soft K, or take soft=True out')
        images = _finished_images(folder, manifest['images'])
        root = os.fspath(self.image_root or manifest['image_root'])
        first = os.path.join(root, images[0])
        if not os.path.isfile(first):
            raise FileNotFoundError(f'{first}, an image of {folder.path}, does not exist; say '
                                    'where the images are: image_root=DIR')
        self.data_prefix['img_path'] = root
        data = []
        for image in images:
            name = label_name(image)
            info = {'img_path': os.path.join(root, image),
                    'seg_map_path': str(folder.label(name)), 'label_map': None,
                    'reduce_zero_label': False, 'seg_fields': []}
            if self.soft:
                info['soft_path'] = str(folder.soft(name))
            data.append(info)
        return data


def _refuse_16_bits(folder: PseudoLabelFolder, manifest: dict) -> None:
    if manifest['ignore_index'] != 255:
        raise ValueError(f'{folder.path} has labels of {len(manifest["classes"])} classes, in 16 '
                         'bits; a model trains on at most 255. Label the images in one dataset\'s '
                         'classes (--label-space NAME)')


def _check_classes(folder: PseudoLabelFolder, made: Sequence[str], asked: Sequence[str]) -> None:
    for i, (own, other) in enumerate(zip(made, asked)):
        if own != other:
            raise ValueError(f'{folder.path} was labelled in other classes: its class {i} is '
                             f'{own!r}, in the config {other!r}. Label the images again, or name '
                             'the dataset whose classes they are')
    if len(made) != len(asked):
        raise ValueError(f'{folder.path} was labelled in {len(made)} classes, the config has '
                         f'{len(asked)}. Label the images again, or name the dataset whose classes '
                         'they are')


def _finished_images(folder: PseudoLabelFolder, images: Sequence[str]) -> list[str]:
    """Return the images that have a label map; all must, but for those that could not be read."""
    failed, present = folder.read_failed(), folder.label_names()
    wanted = [image for image in images if image not in failed]
    missing = [image for image in wanted if label_name(image) not in present]
    if missing:
        raise ValueError(
            f'{folder.path} is not finished: {len(missing)} of {len(images)} images have no label '
            f'map ({", ".join(missing[:_LISTED])}{", ..." if len(missing) > _LISTED else ""}). '
            'Continue by the same command of tools/pseudo_label.py')
    added = sorted(present - {label_name(image) for image in images})
    if added:
        raise ValueError(
            f'{folder.path} has {len(present)} label maps, but was made of {len(images)} images; '
            f'not among them: {", ".join(added[:_LISTED])}{", ..." if len(added) > _LISTED else ""}'
            '. Take them out, or label these images, too')
    if not wanted:
        raise ValueError(f'{folder.path} has no label map: none of its {len(images)} images could '
                         'be read')
    return wanted
