"""A folder of pseudo labels: where its files lie and what its manifest says."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from ..files import replacing
from ..label_spaces.json_files import read_json
from .data_root import resolve_data_root

FORMAT = 'mmseg_multids/pseudo_labels/1'
#: What a manifest holds, in the order in which manifests are compared. Its ``hash`` is over these.
_KEYS = ('format', 'checkpoint_sha256', 'target', 'classes', 'palette', 'ignore_index', 'settings',
         'image_root', 'images')
_AGAIN = ('write into another folder (--out), or delete this one (of tools/self_train.py: choose '
          'another --work-dir)')


class PseudoLabelFolder:
    """The files of one run of ``tools/pseudo_label.py``.

    ``manifest.json`` says what the labels were made with; an image ``a/b.jpg`` has its label map in
    ``labels/a/b.png``, its soft labels in ``soft/a/b.npz``, and what statistics need of it in
    ``records/a/b.json``.

    Args:
        path: The folder.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)

    @property
    def manifest_file(self) -> Path:
        """What the labels were made with."""
        return self.path / 'manifest.json'

    @property
    def failed_file(self) -> Path:
        """Which images could not be read, and why; there only if there are any."""
        return self.path / 'failed.json'

    def label(self, name: str) -> Path:
        """Return the file of an image's label map."""
        return self.path / 'labels' / f'{name}.png'

    def soft(self, name: str) -> Path:
        """Return the file of an image's soft labels."""
        return self.path / 'soft' / f'{name}.npz'

    def record(self, name: str) -> Path:
        """Return the file of an image's counts."""
        return self.path / 'records' / f'{name}.json'

    def unfiltered(self, name: str) -> Path:
        """Return the file of an image's labels before a share of each class was chosen."""
        return self.path / 'unfiltered' / f'{name}.npz'

    def read_manifest(self) -> dict:
        """Return the manifest.

        Raises:
            FileNotFoundError: There is none.
            ValueError: It is no manifest, or not as it was written.
        """
        file = self.manifest_file
        if not file.is_file():
            raise FileNotFoundError(f'{self.path} is no folder of pseudo labels: it has no '
                                    f'{file.name}; make one with tools/pseudo_label.py')
        manifest = read_json(file)
        if not isinstance(manifest, dict) or manifest.get('format') != FORMAT:
            found = manifest.get('format') if isinstance(manifest, dict) else manifest
            raise ValueError(f'{file} has the format {found!r}; expected {FORMAT!r}')
        missing = [key for key in (*_KEYS, 'hash') if key not in manifest]
        if missing:
            raise ValueError(f'{file} has no {missing[0]!r}; {_AGAIN}')
        if manifest['hash'] != hash_of(manifest):
            raise ValueError(f'{file} is not as it was written: its hash is '
                             f'{hash_of(manifest)[:16]}, the one in it {manifest["hash"][:16]}; '
                             'make the pseudo labels again')
        return manifest

    def begin(self, manifest: dict) -> bool:
        """Write the manifest, or check that the one that is there is the same.

        Returns:
            Whether there was one: the folder is continued.

        Raises:
            ValueError: The folder was made with something else; the first difference is named. Or
                it has other files.
        """
        manifest = {**json.loads(json.dumps(manifest)), 'hash': hash_of(manifest)}
        if self.manifest_file.is_file():
            present = self.read_manifest()
            difference = next((text for key in _KEYS
                               if (text := _difference(key, present[key], manifest[key]))), None)
            if difference:
                raise ValueError(f'{self.path} was made with something else: {difference}; '
                                 f'{_AGAIN}')
            return True
        if self.path.exists() and any(p.suffix != '.tmp' for p in self.path.iterdir()):
            raise ValueError(f'{self.path} is not empty, and has no {self.manifest_file.name}; '
                             'write into another folder (--out)')
        with replacing(self.manifest_file) as file:
            file.write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding='utf-8')
        return False

    def read_failed(self) -> dict[str, str]:
        """Return why each image that could not be read was not, by its path below the root."""
        return dict(read_json(self.failed_file)) if self.failed_file.is_file() else {}

    def label_names(self) -> set[str]:
        """Return the names of the images that have a label map."""
        folder = self.path / 'labels'
        found = set()
        for place, _, files in os.walk(folder):
            below = Path(place).relative_to(folder)
            found.update((below / file[:-4]).as_posix() for file in files if file.endswith('.png'))
        return found


def find_pseudo_labels(path: str | os.PathLike) -> PseudoLabelFolder:
    """Return a folder of pseudo labels: as named, else below the folder of all datasets.

    Raises:
        FileNotFoundError: There is none; what was looked for is listed.
    """
    folder = PseudoLabelFolder(path)
    if folder.manifest_file.is_file():
        return folder
    try:
        found = PseudoLabelFolder(resolve_data_root(path))
    except FileNotFoundError:
        found = folder
    if not found.manifest_file.is_file():
        raise FileNotFoundError(
            f'no pseudo labels in {str(path)!r}: {found.manifest_file.absolute()} does not exist. '
            'Make them with tools/pseudo_label.py CONFIG CHECKPOINT IMAGES --out '
            f'{os.fspath(path)}, or with tools/self_train.py CONFIG; or name the folder where they '
            "are (the entry's `folder`)")
    return found


def label_name(image: str) -> str:
    """Return what the label of an image is called: its path below the root, no suffix."""
    return os.path.splitext(image)[0]


def check_label_names(images: Sequence[str]) -> None:
    """Refuse images whose labels would have one name.

    Raises:
        ValueError: Both are named.
    """
    seen: dict[str, str] = {}
    for image in images:
        other = seen.setdefault(label_name(image), image)
        if other != image:
            raise ValueError(f'{other} and {image} would get the same label map '
                             f'{label_name(image)}.png; rename one of them, or label them into '
                             'two folders')


def hash_of(manifest: dict) -> str:
    """Return a hash over all that a manifest says."""
    text = json.dumps({key: manifest[key] for key in _KEYS}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()


def _difference(key: str, present, asked) -> str | None:
    if present == asked:
        return None
    if key == 'settings':
        for name in dict.fromkeys([*present, *asked]):
            if present.get(name) != asked.get(name):
                return (f'{name} was {json.dumps(present.get(name))}, and is '
                        f'{json.dumps(asked.get(name))} now')
    if isinstance(present, list) and isinstance(asked, list):
        for i, (old, new) in enumerate(zip(present, asked)):
            if old != new:
                return f'{key}: number {i} was {old!r}, and is {new!r} now'
        return f'{key}: there were {len(present)}, and are {len(asked)} now'
    if key == 'checkpoint_sha256':
        return (f'the checkpoint had the SHA-256 {str(present)[:16]}, this one has '
                f'{str(asked)[:16]}')
    return f'{key} was {present!r}, and is {asked!r} now'
