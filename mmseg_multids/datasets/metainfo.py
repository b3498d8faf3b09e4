"""Class lists of datasets, without their data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..label_spaces import LabelRemap, LabelSpace, read_remap
from ..registry import DATASETS

#: Names with a meaning of their own in predictions and metrics.
RESERVED_NAMES = ('unified', 'mean', 'harmonic', 'seen', 'unseen', 'all')

#: The largest class id that 8-bit label maps hold beside the ignore index 255 is 254.
MAX_CLASSES = 255


def whole_entry(entry: dict) -> dict:
    """Return an entry with what it ``extends``.

    Configs cannot change a part of another file's dictionary in a list;
    ``dict(extends={{_base_.bdd100k}}, remap='FILE.json')`` is the other file's entry with other or
    further keys.
    """
    entry = dict(entry)
    if 'extends' not in entry:
        return entry
    return {**whole_entry(entry.pop('extends')), **entry}


def is_unlabelled(entry: dict) -> bool:
    """Whether an entry's images are taken without labels.

    So says ``unlabelled=True``, or the dataset class where it has no labels at all.

    Raises:
        ValueError: ``unlabelled=False`` for a class that has no labels.
    """
    entry = whole_entry(entry)
    dataset_type = entry.get('type')
    cls = DATASETS.get(dataset_type) if isinstance(dataset_type, str) else dataset_type
    never = bool(getattr(cls, 'UNLABELLED', False))
    said = entry.get('unlabelled')
    if never and said is False:
        raise ValueError(f'dataset {entry.get("name")!r} has unlabelled=False, but '
                         f'{cls.__name__} has no labels')
    return never or bool(said)


def unlabelled_names(entries: Sequence[dict]) -> list[str]:
    """Return the names of the entries that are taken without labels."""
    return [entry['name'] for entry in map(whole_entry, entries) if is_unlabelled(entry)]


class Borrowed(NamedTuple):
    """What an entry with ``labels_of`` is to a model."""

    #: The dataset whose classes its labels are.
    labels_of: str
    #: The dataset whose images its images are like: their batch norm statistics are shared.
    images_of: str


def borrowed_from_cfg(entries: Sequence[dict]) -> dict[str, Borrowed]:
    """Return the entries whose labels are those of another dataset, by name.

    ``labels_of='city'`` says that an entry is labelled in the classes of the dataset ``city``, as
    pseudo labels of a teacher are: the same rows of the classifier learn from both, and a model
    needs neither data nor classes of the entry. Its loss is logged and weighted under its own name.
    ``images_of`` (default: ``labels_of``) names the dataset with whose images dataset-specific
    batch norms count it.

    Raises:
        ValueError: One of the keys names no dataset with labels of its own; ``images_of`` without
            ``labels_of``; an entry that is ``unlabelled``, too.
    """
    entries = [whole_entry(entry) for entry in entries]
    own = [entry['name'] for entry in entries
           if entry.get('name') and entry.get('labels_of') is None and not is_unlabelled(entry)]
    found = {}
    for entry in entries:
        name, labels_of = entry.get('name'), entry.get('labels_of')
        images_of = entry.get('images_of')
        if labels_of is None:
            if images_of is not None:
                raise ValueError(f'dataset {name!r} has images_of={images_of!r} and no labels_of')
            continue
        if is_unlabelled(entry):
            raise ValueError(f'dataset {name!r} is unlabelled and has labels_of={labels_of!r}; '
                             'remove one of both')
        if entry.get('remap') is not None:
            raise ValueError(f'dataset {name!r} has labels_of={labels_of!r} and a remap; remove '
                             'one of both')
        found[name] = Borrowed(labels_of, images_of or labels_of)
        for key, value in zip(Borrowed._fields, found[name]):
            if value not in own:
                raise ValueError(f'dataset {name!r} has {key}={value!r}; datasets of the mix with '
                                 f'labels of their own: {", ".join(own) or "none"}. Without '
                                 'labels_of an entry has classes of its own')
    return found


def chosen_entries(entries: Sequence[dict], names: Sequence[str]) -> list[dict]:
    """Return some of a mix's entries; those with ``labels_of`` get the classes themselves.

    So they can be built without the entry whose classes their labels are.
    """
    entries = [whole_entry(entry) for entry in entries]
    borrowed, found = borrowed_from_cfg(entries), []
    for entry in entries:
        name = entry['name']
        if name not in names:
            continue
        lender = borrowed[name].labels_of if name in borrowed else name
        if lender not in names:
            space = label_space_from_cfg(next(e for e in entries if e['name'] == lender))
            entry = {key: value for key, value in entry.items() if key not in Borrowed._fields}
            entry['metainfo'] = {'classes': list(space.classes),
                                 'palette': [list(c) for c in space.palette]}
        found.append(entry)
    return found


def label_space_from_cfg(entry: dict) -> LabelSpace:
    """Return the label space of a dataset entry; no data is needed.

    Classes and palette are those of :func:`own_label_space`, or, where the entry has a ``remap``,
    those of its target.

    Raises:
        ValueError: As :func:`own_label_space` and :func:`remap_from_cfg`.
        FileNotFoundError: As :func:`remap_from_cfg`.
    """
    entry = whole_entry(entry)
    remap = remap_from_cfg(entry)
    if remap is None:
        return own_label_space(entry)
    return LabelSpace(entry['name'], remap.target.classes, remap.target.palette)


def remap_from_cfg(entry: dict) -> LabelRemap | None:
    """Return the mapping that an entry's ``remap`` names, checked against the entry's own classes.

    Raises:
        ValueError: The file is no mapping, or is about other classes than the dataset has.
        FileNotFoundError: There is no such file; what was looked for is listed.
    """
    if entry.get('remap') is None:
        return None
    space = own_label_space(entry)
    try:
        remap = read_remap(entry['remap'])
        remap.ids(space.classes)
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f'dataset {space.name}: {error}') from error
    return remap


def own_label_space(entry: dict) -> LabelSpace:
    """Return the label space of a dataset entry before any remapping.

    Classes and palette come from the entry's ``metainfo``, else from the dataset class's
    ``metainfo_from_cfg(entry)`` where it has one, else from its ``METAINFO``.

    Raises:
        ValueError: The entry has no name or type, the type is not registered, or no classes are
            found.
    """
    name = entry.get('name')
    if not name:
        raise ValueError(f'a dataset entry needs a `name`, got {dict(entry)}')
    dataset_type = entry.get('type')
    cls = DATASETS.get(dataset_type) if isinstance(dataset_type, str) else dataset_type
    if cls is None:
        raise ValueError(f'dataset {name}: type {dataset_type!r} is not registered in '
                         "MMSegmentation's DATASETS")
    if hasattr(cls, 'metainfo_from_cfg'):
        metainfo = dict(cls.metainfo_from_cfg(entry))
    else:
        metainfo = dict(getattr(cls, 'METAINFO', {}))
    own = dict(entry.get('metainfo') or {})
    if 'classes' in own and list(own['classes']) != list(metainfo.get('classes', ())):
        # As MMSegmentation does: a subset of the classes takes its colours along.
        colours = dict(zip(metainfo.get('classes', ()), metainfo.get('palette', ())))
        palette = [colours.get(c) for c in own['classes']]
        metainfo['palette'] = None if None in palette else palette
    metainfo.update(own)
    if not metainfo.get('classes'):
        raise ValueError(f'dataset {name}: {cls.__name__} has no classes in its METAINFO; give '
                         "metainfo=dict(classes=[...]) in the entry")
    return LabelSpace(name, metainfo['classes'], metainfo.get('palette') or None)


def label_spaces_from_cfg(entries: Sequence[dict]) -> list[LabelSpace]:
    """Return the label spaces of the datasets in a mix, checked.

    Entries without labels (:func:`is_unlabelled`), and those that have another one's
    (:func:`borrowed_from_cfg`), have none; their names are checked, too.

    Raises:
        ValueError: As :func:`borrowed_from_cfg`; no dataset with labels, two of one name, a name
            that cannot be part of a metric's key, a dataset of one class, or one of more classes
            than 8-bit label maps hold.
    """
    if not entries:
        raise ValueError('the list of datasets is empty')
    borrowed_from_cfg(entries)  # refuses
    labelled = [entry for entry in entries if not is_unlabelled(entry)
                and whole_entry(entry).get('labels_of') is None]
    if not labelled:
        raise ValueError('no dataset has labels: all entries are unlabelled')
    spaces = [label_space_from_cfg(entry) for entry in labelled]
    names = [space.name for space in spaces] + unlabelled_names(entries) + [
        entry['name'] for entry in map(whole_entry, entries) if entry.get('labels_of') is not None]
    for name in names:
        check_dataset_name(name)
        if names.count(name) > 1:
            raise ValueError(f'dataset {name!r} is named {names.count(name)} times; names must be '
                             'unique')
    for space in spaces:
        if space.num_classes < 2:
            raise ValueError(f'dataset {space.name!r} has one class ({space.classes[0]!r}); '
                             'datasets of one class are not supported, add a background class')
        if space.num_classes > MAX_CLASSES:
            raise ValueError(f'dataset {space.name!r} has {space.num_classes} classes; at most '
                             f'{MAX_CLASSES} fit beside the ignore index 255')
    return spaces


def check_dataset_name(name: str) -> None:
    """Refuse names that cannot be part of a metric's key or of a file's path.

    Raises:
        ValueError: Why the name does not do.
    """
    if not re.fullmatch(r'[A-Za-z0-9_-]+', name):
        raise ValueError(f'dataset name {name!r}: only letters, digits, `_` and `-` are allowed')
    if name in RESERVED_NAMES:
        raise ValueError(f'dataset name {name!r} is reserved ({", ".join(RESERVED_NAMES)})')
    if 'loss' in name.lower():
        raise ValueError(f"dataset name {name!r} contains 'loss': MMEngine adds up every logged "
                         'value whose key contains that word; choose another name')
