"""From what a class is called and looks like to a vector (AutoUniSeg, section 3.2, Input Nodes)."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..files import replacing
from .json_files import check_keys, find_file, read_json, shipped_files
from .space import LabelSpace

#: Descriptions of classes that come with the package, one file per dataset.
DESCRIPTIONS = Path(__file__).parent / 'descriptions'

#: Texts to features: a sequence of T texts to [T, D].
Encoder = Callable[[Sequence[str]], np.ndarray]


def template_sentence(name: str, dataset: str) -> str:
    """Return the sentence that stands for a class without a description (section 3.2)."""
    return f'An image of {name} from the dataset {dataset}.'


def read_descriptions(file: str | os.PathLike) -> dict[str, str]:
    """Read the descriptions of a dataset's classes.

    The file is JSON: ``{"dataset": "cityscapes", "classes": {"road": "One to three sentences."}}``.

    Args:
        file: A path, or the bare name of a file that comes with the package.

    Raises:
        FileNotFoundError: There is none; what was looked for and what is shipped is listed.
        ValueError: It is no such file; file, key and value are named.
    """
    path = find_file(file, DESCRIPTIONS, 'descriptions', 'file of descriptions')
    try:
        data = check_keys(read_json(path), ('dataset', 'classes'), ('dataset', 'classes', 'source'),
                          'a file of descriptions')
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    classes = data['classes']
    if not isinstance(classes, dict) or not all(
            isinstance(text, str) and text.strip() for text in classes.values()):
        raise ValueError(f'{path}: classes is {str(classes)[:60]!r}; an object of texts by class '
                         'name is needed')
    return dict(classes)


def shipped_descriptions() -> list[str]:
    """Return the names of the files of descriptions that come with the package."""
    return shipped_files(DESCRIPTIONS)


def texts_of(space: LabelSpace, descriptions: dict[str, str] | None) -> tuple[list[str], list[str]]:
    """Return the text of each class, and the classes that have no description.

    Args:
        space: The dataset.
        descriptions: Sentences by class name, or ``None`` for the template alone.

    Raises:
        ValueError: A description of a class that the dataset does not have.
    """
    descriptions = descriptions or {}
    unknown = sorted(set(descriptions) - set(space.classes))
    if unknown:
        raise ValueError(f'{space.name} has no class {unknown[0]!r}, which is described; it has '
                         f'{", ".join(space.classes)}')
    texts, missing = [], []
    for name in space.classes:
        text = template_sentence(name, space.name)
        if name in descriptions:
            text = f'{text} {descriptions[name]}'
        else:
            missing.append(name)
        texts.append(text)
    return texts, missing


class HashingEncoder:
    """Words and character n-grams, hashed: no download, the same on every machine.

    Words of a text, and pieces of ``sizes`` characters of each word, add 1 or -1 to one of
    ``dimensions`` numbers; how often a piece is there counts with its logarithm. The vector has
    length 1. Texts that share words, or parts of words, are near each other; it knows no synonyms.

    Args:
        dimensions: D.
        sizes: Numbers of characters of the pieces.
        words: Weight of whole words beside pieces.
    """

    def __init__(self, dimensions: int = 512, sizes: Sequence[int] = (3, 4, 5),
                 words: float = 2.0) -> None:
        if dimensions < 1:
            raise ValueError(f'dimensions={dimensions}: at least 1 is needed')
        self.dimensions, self.sizes, self.words = dimensions, tuple(sizes), words

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Encode T texts. Returns [T, D], float32."""
        features = np.zeros((len(texts), self.dimensions))
        for row, text in zip(features, texts):
            counts: dict[str, int] = {}
            for piece in self._pieces(text):
                counts[piece] = counts.get(piece, 0) + 1
            for piece, count in counts.items():
                digest = hashlib.blake2b(piece.encode(), digest_size=8).digest()
                place = int.from_bytes(digest[:6], 'little') % self.dimensions
                sign = 1 if digest[6] % 2 else -1
                weight = self.words if piece.startswith('w:') else 1.0
                row[place] += sign * weight * (1 + np.log(count))
            length = np.linalg.norm(row)
            if length > 0:
                row /= length
        return features.astype(np.float32)

    def _pieces(self, text: str) -> Iterator[str]:
        text = unicodedata.normalize('NFKC', text).casefold()
        for word in re.findall(r'\w+', text):
            yield f'w:{word}'
            marked = f'<{word}>'
            for size in self.sizes:
                for start in range(len(marked) - size + 1):
                    yield marked[start:start + size]

    def __repr__(self) -> str:
        return (f'HashingEncoder(dimensions={self.dimensions}, sizes={self.sizes}, '
                f'words={self.words})')


def cached_features(texts: Sequence[str], encoder: Encoder,
                    folder: str | os.PathLike | None = None) -> np.ndarray:
    """Encode texts, or read what was made of the same texts by the same encoder.

    Args:
        texts: T texts.
        encoder: What encodes them; its ``repr`` says which it is.
        folder: Where to keep features. Default: nowhere.

    Returns:
        Shape [T, D], float32.

    Raises:
        ValueError: The encoder gave another number of rows, or values that are not finite.
    """
    about = json.dumps({'encoder': repr(encoder), 'texts': list(texts)}, sort_keys=True)
    key = hashlib.sha256(about.encode()).hexdigest()[:16]
    path = None if folder is None else Path(folder) / f'text_features_{key}.npz'
    if path is not None and path.is_file():
        with np.load(path, allow_pickle=False) as data:
            if str(data['about']) == about:
                return data['features']
    features = np.asarray(encoder(texts), dtype=np.float32)
    if features.ndim != 2 or len(features) != len(texts) or not np.isfinite(features).all():
        raise ValueError(f'{encoder!r} made features of shape {features.shape} of {len(texts)} '
                         'texts; finite ones of shape [texts, dimensions] are needed')
    if path is not None:
        with replacing(path) as file, open(file, 'wb') as stream:
            np.savez(stream, features=features, about=about)
    return features


@contextmanager
def _language_model(path: str) -> Iterator[None]:
    """Say what to do where a model cannot be loaded."""
    try:
        yield
    except ImportError as error:
        raise ImportError(f"{error}. Language models need pip install 'mmseg_multids[text]'; the "
                          "encoder 'hashing' needs nothing") from error
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f'no language model {str(path)!r}: {error}. Give the folder of one, or a file of '
            'features that were made elsewhere (text_features.save_features)') from error


class TransformersEncoder:
    """A language model of Hugging Face's transformers: the mean over the tokens of a text.

    Args:
        path: Folder of the model, or its name where it can be downloaded.
        batch_size: Texts at a time.
    """

    def __init__(self, path: str, batch_size: int = 8) -> None:
        self.path, self.batch_size = path, batch_size

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Encode T texts. Returns [T, D], float32."""
        import torch
        with _language_model(self.path):
            from transformers import AutoModel, AutoTokenizer
            tokenizer = AutoTokenizer.from_pretrained(self.path)
            model = AutoModel.from_pretrained(self.path).eval()
        if tokenizer.pad_token is None:  # Llama's has none
            tokenizer.pad_token = tokenizer.eos_token
        found = []
        with torch.no_grad():
            for start in range(0, len(texts), self.batch_size):
                tokens = tokenizer(list(texts[start:start + self.batch_size]), padding=True,
                                   return_tensors='pt')
                hidden = model(**tokens).last_hidden_state.float()  # [T, tokens, D]
                real = tokens['attention_mask'][..., None].float()
                found.append(((hidden * real).sum(1) / real.sum(1)).numpy())
        return np.concatenate(found)

    def __repr__(self) -> str:
        return f'TransformersEncoder({self.path!r})'


class SentenceTransformersEncoder:
    """A model of the package sentence-transformers.

    Args:
        path: Folder of the model, or its name where it can be downloaded.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Encode T texts. Returns [T, D], float32."""
        with _language_model(self.path):
            from sentence_transformers import SentenceTransformer
            model = SentenceTransformer(self.path)
        return model.encode(list(texts), convert_to_numpy=True)

    def __repr__(self) -> str:
        return f'SentenceTransformersEncoder({self.path!r})'


ENCODERS = {'hashing': HashingEncoder, 'transformers': TransformersEncoder,
            'sentence-transformers': SentenceTransformersEncoder}


def class_features(spaces: Sequence[LabelSpace], encoder: str | dict = 'hashing',
                   descriptions: bool | dict[str, str] = True,
                   features: str | os.PathLike | None = None,
                   cache: str | os.PathLike | None = None) -> np.ndarray:
    """Return a text feature for every class of some datasets, one after the other.

    Args:
        spaces: The datasets, C classes in all.
        encoder: ``'hashing'``, or ``dict(type=..., **arguments)`` with the types ``hashing``
            (:class:`HashingEncoder`), ``transformers`` (:class:`TransformersEncoder`) and
            ``sentence-transformers`` (:class:`SentenceTransformersEncoder`).
        descriptions: ``True``: the files that come with the package, by the dataset's name;
            ``False``: the template sentence alone; or files by dataset, which take the place of
            the package's. Classes without a description have the template sentence.
        features: A file of :func:`save_features` instead of all that.
        cache: Folder that keeps encoded texts. Default: ``mmseg_multids`` in the user's folder for
            caches (``XDG_CACHE_HOME``, ``~/.cache``), but nowhere for ``hashing``, which is as
            fast as reading.

    Returns:
        Shape [C, F], float32.

    Raises:
        ValueError: An unknown encoder; a file about other datasets or classes.
        FileNotFoundError: There is no such file.
    """
    if features is not None:
        return load_features(features, spaces)
    options = {'type': encoder} if isinstance(encoder, str) else dict(encoder)
    kind = options.pop('type', None)
    if kind not in ENCODERS:
        raise ValueError(f'text encoder {kind!r} is not known; allowed: {", ".join(ENCODERS)}')
    texts: list[str] = []
    without: list[str] = []
    for space in spaces:
        found, missing = texts_of(space, _descriptions_of(space, descriptions))
        texts += found
        without += [f'{space.name}/{name}' for name in missing]
    if without and descriptions is not False:
        logging.getLogger(__name__).warning(
            '%d of %d classes have no description but "An image of ..." alone: %s%s',
            len(without), len(texts), ', '.join(without[:10]), ', ...' if len(without) > 10 else '')
    if cache is None and kind != 'hashing':
        cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'mmseg_multids'
    return cached_features(texts, ENCODERS[kind](**options), cache)


def text_similarities(features: np.ndarray) -> np.ndarray:
    """Return the cosine between text features, from which their mean was taken.

    What all texts share, such as the words of the template or the one direction that all features
    of a language model have in common, says nothing.

    Args:
        features: Of C texts. Shape [C, F].

    Returns:
        Shape [C, C], from -1 to 1; 0 for a feature that is the mean.
    """
    own = np.asarray(features, dtype=np.float64)
    own = own - own.mean(axis=0)
    length = np.linalg.norm(own, axis=1, keepdims=True)
    own = np.divide(own, length, out=np.zeros_like(own), where=length > 1e-12)
    return own @ own.T


def _descriptions_of(space: LabelSpace, given: bool | dict[str, str]) -> dict[str, str] | None:
    if given is False:
        return None
    if given is True or space.name not in given:
        file = f'{space.name}.json'
        known = read_descriptions(file) if file in shipped_descriptions() else {}
        # A dataset of that name may have been given other classes.
        return {name: text for name, text in known.items() if name in space.classes}
    return read_descriptions(given[space.name])


def save_features(path: str | os.PathLike, spaces: Sequence[LabelSpace],
                  features: np.ndarray) -> None:
    """Write features that were made elsewhere, for :func:`class_features`.

    Args:
        path: File to write (.npz).
        spaces: The datasets, C classes in all.
        features: Shape [C, F].

    Raises:
        ValueError: Another number of classes, or values that are not finite.
    """
    names = _class_names(spaces)
    features = np.asarray(features, dtype=np.float32)
    if features.ndim != 2 or len(features) != len(names) or not np.isfinite(features).all():
        raise ValueError(f'features of shape {features.shape}; finite ones of shape '
                         f'[{len(names)}, F] are needed')
    with replacing(path) as file, open(file, 'wb') as stream:
        np.savez(stream, features=features, classes=np.array(names))


def load_features(path: str | os.PathLike, spaces: Sequence[LabelSpace]) -> np.ndarray:
    """Read features of :func:`save_features`.

    Raises:
        ValueError: The file is about other classes, or no such file.
        FileNotFoundError: There is none.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'file of text features {path} does not exist')
    try:
        with np.load(path, allow_pickle=False) as data:
            stored, features = data['classes'].tolist(), data['features']
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f'{path} is no file of text features: {error}') from error
    place = {name: i for i, name in enumerate(stored)}
    missing = [name for name in _class_names(spaces) if name not in place]
    if missing:
        raise ValueError(f'{path} has no features for {len(missing)} class(es), such as '
                         f'{missing[0]}; it is about {", ".join(stored[:5])}, ...')
    return features[[place[name] for name in _class_names(spaces)]]


def _class_names(spaces: Sequence[LabelSpace]) -> list[str]:
    return [f'{space.name}/{name}' for space in spaces for name in space.classes]
