"""Self-training as one run of several stages: teacher, pseudo labels, centroids, student."""

from __future__ import annotations

import copy
import hashlib
import inspect
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import get_rank

from ..datasets.centroids import CentroidIndex
from ..datasets.data_root import resolve_path
from ..datasets.metainfo import borrowed_from_cfg, label_space_from_cfg, whole_entry
from ..datasets.pseudo_folder import PseudoLabelFolder
from ..functional.centroids import check_settings
from ..label_spaces.json_files import read_json
from .build_centroids import build_centroids, format_centroids, labelled_images
from .pseudo_images import ImageList, images_in, images_of_dataset
from .pseudo_labels import alone, generate_pseudo_labels, sha256_of
from .pseudo_statistics import format_statistics, why_nothing
from .pseudo_teacher import Augmentation, check_target, space_of_target
from .trained import build_segmentor, load_trained, name_of, read_config
from .training_stage import (
    FINISHED,
    Stage,
    as_json,
    check_trainable,
    last_checkpoint,
    release_memory,
    train_stage,
    what_matters,
    write_json,
)

_KEYS = ('teacher', 'images', 'dataset', 'labels', 'centroids', 'finetune')
_IMAGES = ('dataset', 'split')


class SelfTraining:
    """The stages of self-training (Zhu et al., section 3.1) with a config for its student.

    Each loop labels images with the teacher, finds the objects in the labels where the student
    draws crops around them, and trains a student on real and pseudo labels, which is the next
    loop's teacher (appendix A.3). Every stage is kept when it is finished, and goes on where it was
    stopped: the same call again continues. A stage that was made with other settings, or of other
    files, than the call asks for is refused.

    The config is the student's; it trains on a ``PseudoLabelDataset``. Its ``self_training`` says
    how its labels are made::

        self_training = dict(
            teacher='selftrain_teacher_x50_cityscapes.py',   # beside the config, or a path
            images=['data/mapillary/training/images'],       # or dict(dataset='NAME', split='...')
            labels=dict(scales=(0.5, 1.0, 2.0), flip=True),  # of generate_pseudo_labels
            centroids=dict(point='mean'),                    # of build_centroids
            finetune=None)              # a config that the student is fine-tuned with (A.2)

    Images are looked for below ``MULTIDS_DATA_ROOT`` and ``data/``, then as they stand; a dataset's
    among the loaders of the teacher's config, then of the student's. The config for fine-tuning
    starts from the student by its ``model.finetune_from`` where it has one, else by ``load_from``.

    Args:
        cfg: The student's config; its ``work_dir`` gets a folder for each stage, and
            ``self_training.json`` with what was reached so far.
        teacher: A checkpoint of the teacher's config, in place of training one.
        workers: Processes for finding objects.
        say: Called with what is done.
        seed: Seed of all stages. Default: those of the configs.

    Attributes:
        stages: The trained networks so far.
        unreadable: Images that could not be read, by loop, and why; they are left out.

    Raises:
        ValueError: A key or option that does not exist or is missing; the config has no such
            dataset; labels that the student could not train on.
        FileNotFoundError: There is no such config, checkpoint or folder of images.
    """

    def __init__(self, cfg: Config, teacher: str | None = None, workers: int = 0,
                 say: Callable[[str], None] = print, seed: int | None = None) -> None:
        self.cfg, self.say, self.workers = cfg, say if get_rank() == 0 else _silent, workers
        self.root, self.seed = Path(cfg.work_dir), seed
        self.stages: list[Stage] = []
        self.unreadable: dict[int, dict[str, str]] = {}
        if workers < 0:
            raise ValueError(f'workers={workers}: 0, this process, or more are needed')
        where = name_of(cfg)
        given = cfg.get('self_training')
        if not given or not isinstance(given, Mapping):
            raise ValueError(f'{where} has no `self_training = dict(...)`, which says how pseudo '
                             f'labels are made; its keys: {", ".join(_KEYS)}')
        _check_keys(f'self_training of {where}', given, _KEYS)
        missing = [key for key in ('teacher', 'images') if not given.get(key)]
        if missing:
            raise ValueError(f'self_training of {where} needs {missing[0]!r}')
        self.labels = dict(given.get('labels') or {})
        self.centroids = dict(given.get('centroids') or {})
        self.entry = self._pseudo_entry(given.get('dataset'))
        self.dataset = self.entry['name']
        self._check_options(where)
        self.teacher_cfg = self._config('teacher', given['teacher'])
        self.finetune_cfg = self._config('finetune', given['finetune']) \
            if given.get('finetune') else None
        self.teacher = teacher
        if teacher is not None and not Path(teacher).is_file():
            raise FileNotFoundError(f'checkpoint {teacher} of the teacher does not exist')
        try:
            self.images = self._find_images(given['images'])
        except (FileNotFoundError, ValueError) as error:
            raise type(error)(f'self_training.images of {where}: {error}') from error

    def run(self, loops: int = 1) -> list[Stage]:
        """Do what is not done yet; returns all trained networks.

        Errors begin with the name of the stage.

        Raises:
            ValueError: ``loops`` below 1; a folder has a stage of another config; as the stages.
        """
        if loops < 1:
            raise ValueError(f'loops={loops}: at least 1 is needed')
        if not (self._folder(1) / 'pseudo_labels' / FINISHED).is_file():
            self._check_target()
            if self._student_classes() is not None:  # else they are those of the labels
                with self._named('student 1'):
                    check_trainable(self.cfg)
        self.stages, self.unreadable = [], {}
        teacher, cfg = self.teacher, self.teacher_cfg
        if teacher is None:
            teacher = self._train('teacher', cfg, self.root / 'teacher')
        for loop in range(1, loops + 1):
            folder, name = self._folder(loop), f'student {loop}'
            with self._named(f'pseudo labels {loop}'):
                made_of = self._label(loop, cfg, teacher)
            student = self.student_config(folder)
            if self.dataset in _crops(student):
                with self._named(f'centroids {loop}'):
                    found = alone(partial(self._find_objects, student, folder, made_of))
                made_of['centroids'] = found
            teacher, cfg = self._train(name, student, folder / 'student', made_of), student
            if self.finetune_cfg is not None:
                name += ', fine-tuned'
                with self._named(name):
                    cfg = self._starting_from(teacher)
                teacher = self._train(name, cfg, folder / 'finetuned',
                                      {'student': sha256_of(teacher)})
        return self.stages

    def student_config(self, folder: Path) -> Config:
        """Return the student's config with the labels and objects of a loop's folder."""
        cfg = copy.deepcopy(self.cfg)
        for datasets in (cfg.model.datasets, cfg.train_dataloader.dataset.datasets):
            for entry in datasets:
                if whole_entry(entry)['name'] == self.dataset:
                    entry['folder'] = str(folder / 'pseudo_labels')
        crops = _crops(cfg)
        if self.dataset in crops:
            path = str(folder / 'centroids.npz')
            own = crops[self.dataset]
            crops[self.dataset] = {**own, 'path': path} if isinstance(own, dict) else path
        return cfg

    def _folder(self, loop: int) -> Path:
        return self.root / f'loop{loop}'

    def _config(self, key: str, name: str) -> Config:
        """Read a config that stands beside the student's, or anywhere."""
        beside = Path(self.cfg.filename or '.').parent / name
        try:
            return read_config(beside if beside.is_file() else name)
        except FileNotFoundError as error:
            raise FileNotFoundError(f'self_training.{key} of {name_of(self.cfg)}: {error}') \
                from error

    def _pseudo_entry(self, name: str | None) -> dict:
        try:
            entries = [whole_entry(e) for e in self.cfg.train_dataloader.dataset.datasets]
        except AttributeError as error:
            raise ValueError(f'{name_of(self.cfg)} needs train_dataloader.dataset.datasets: '
                             f'{error}') from None
        found = {e['name']: e for e in entries if e.get('type') == 'PseudoLabelDataset'}
        borrowed_from_cfg(self.cfg.model.datasets)  # refuses labels_of that names no dataset
        if name is None and len(found) == 1:
            return next(iter(found.values()))
        if name not in found:
            said = '' if name is None else f' {name!r}'
            raise ValueError(f'{name_of(self.cfg)}: self_training needs the PseudoLabelDataset'
                             f'{said} among train_dataloader.dataset.datasets; there are: '
                             f'{", ".join(found) or "none"}'
                             + (' (choose one by self_training.dataset)' if found else ''))
        return found[name]

    def _check_options(self, where: str) -> None:
        """Refuse at once what would be refused after the teacher is trained."""
        options = _options_of(generate_pseudo_labels, 'images', 'checkpoint', 'out', 'model', 'say')
        _check_keys(f'self_training.labels of {where}', self.labels, options)
        options = _options_of(build_centroids, 'images', 'dataset', 'split', 'workers', 'say')
        _check_keys(f'self_training.centroids of {where}', self.centroids, options)
        try:
            check_settings(self.centroids.get('min_area', 1), self.centroids.get('connectivity', 8),
                           self.centroids.get('point', 'inside'))
        except ValueError as error:
            raise ValueError(f'self_training.centroids of {where}: {error}') from error
        try:
            Augmentation(tuple(self.labels.get('scales', (1.0,))), tile=self.labels.get('tile'),
                         overlap=self.labels.get('overlap', 1 / 3)).check()
        except (TypeError, ValueError) as error:
            raise ValueError(f'self_training.labels of {where}: {error}') from error
        if self.entry.get('soft') and not self.labels.get('soft'):
            raise ValueError(f'dataset {self.dataset!r} of {where} has soft=True, so '
                             'self_training.labels needs soft=K, the number of scores of a pixel')

    def _find_images(self, given) -> ImageList:
        complete = bool(self.labels.get('complete'))
        if isinstance(given, Mapping):
            _check_keys('images', given, _IMAGES)
            if 'dataset' not in given:
                raise ValueError("the key 'dataset' is missing")
            known = (cfg for cfg in (self.teacher_cfg, self.cfg) if given['dataset'] in _names(cfg))
            return images_of_dataset(next(known, self.teacher_cfg), **given, labels=complete)
        if complete:
            raise ValueError('labels=dict(complete=True) needs the images of a dataset: '
                             "images=dict(dataset='NAME')")
        paths = [given] if isinstance(given, (str, os.PathLike)) else list(given)
        return images_in([resolve_path(path) for path in paths], leave_out=self.root)

    def _check_target(self) -> None:
        """Refuse labels that the student could not train on, before the teacher is trained."""
        with self._named('teacher'):
            model = build_segmentor(self.teacher_cfg)
        model.cfg = self.teacher_cfg
        known = model.label_space.datasets
        target = self.labels.get('label_space') or self._labels_of(model)
        if target is None and len(known) > 1:
            raise ValueError(
                f'the teacher predicts {", ".join(known)}: say in whose classes '
                f'{self.dataset!r} is labelled, by labels_of of its entry or by '
                'self_training.labels.label_space')
        images_of = self.labels.get('images_of') or (
            self.images.dataset if self.images.dataset in known else None)
        try:
            target, _ = check_target(model, target, images_of)
        except ValueError as error:
            raise ValueError(f'self_training.labels of {name_of(self.cfg)}: {error}') from error
        made, asked = space_of_target(model, target).classes, self._student_classes()
        if asked is not None and list(made) != list(asked):
            raise ValueError(
                f'the student takes {self.dataset!r} for labels of {len(asked)} classes '
                f'({", ".join(asked[:5])}, ...), the teacher labels the {len(made)} of {target!r} '
                f'({", ".join(made[:5])}, ...); name another labels_of in its entry, or '
                'self_training.labels.label_space')

    def _student_classes(self) -> tuple[str, ...] | None:
        """Return the classes that the entry must have; ``None``: those of the labels."""
        entry = self.entry
        if entry.get('labels_of'):
            entry = next(e for e in map(whole_entry, self.cfg.model.datasets)
                         if e['name'] == entry['labels_of'])
        elif not (entry.get('metainfo') or {}).get('classes'):
            return None
        return label_space_from_cfg(entry).classes

    def _label(self, loop: int, cfg: Config, checkpoint: str) -> dict:
        """Label the images; returns what a student of them is made of."""
        folder = self._folder(loop) / 'pseudo_labels'
        plain = json.loads(json.dumps(cfg.to_dict(), default=str))
        asked = hashlib.sha256(json.dumps(
            [sha256_of(checkpoint), self.labels, self.entry.get('labels_of'), self.images.root,
             self.images.images, plain.get('model'), plain.get('test_pipeline')],
            sort_keys=True, default=str).encode('utf-8', 'surrogateescape')).hexdigest()
        if alone(lambda: self._is_labelled(loop, asked)):
            self.say(f'pseudo labels {loop}: done before ({len(self.images)} images)')
        else:
            self.say(f'pseudo labels {loop}: {len(self.images)} images by {checkpoint}')
            release_memory()
            model = load_trained(checkpoint, cfg).model
            model.cfg = cfg
            if torch.cuda.is_available():
                # The launcher's: each process has set its own.
                model.to(torch.device('cuda', torch.cuda.current_device()))
            space = self.labels.get('label_space') or self._labels_of(model)
            found = generate_pseudo_labels(model, self.images, folder, checkpoint, say=self.say,
                                           **{**self.labels, 'label_space': space})
            self.say(format_statistics(found.statistics))
            if not found.statistics['images']:
                raise ValueError(f'none of the {len(self.images)} images could be read, see '
                                 f'{folder / "failed.json"}')
            if not found.statistics['labelled']:
                raise ValueError(why_nothing(found.statistics))
            alone(lambda: write_json(folder / FINISHED, {'asked': asked}))
        failed = PseudoLabelFolder(folder).read_failed()
        if failed:
            self.unreadable[loop] = failed
            self.say(f'pseudo labels {loop}: {len(failed)} image(s) could not be read and are left '
                     f'out, see {folder / "failed.json"}')
        return {'pseudo_labels': PseudoLabelFolder(folder).read_manifest()['hash'],
                'unreadable': sorted(failed)}

    def _is_labelled(self, loop: int, asked: str) -> bool:
        """Whether there is nothing to do: images that could not be read are tried once more."""
        folder = self._folder(loop)
        mark, student = folder / 'pseudo_labels' / FINISHED, folder / 'student'
        if not mark.is_file() or read_json(mark).get('asked') != asked:
            return False
        trained = (student / FINISHED).is_file() or last_checkpoint(student) is not None
        return trained or not PseudoLabelFolder(folder / 'pseudo_labels').read_failed()

    def _labels_of(self, model: torch.nn.Module) -> str | None:
        """The label space of the labels: what the student takes them for."""
        name = self.entry.get('labels_of') or self.dataset
        return name if name in model.label_space.datasets else None

    def _find_objects(self, cfg: Config, folder: Path, made_of: dict) -> str:
        """Write the index of the objects in the labels, if it is not there; returns its hash."""
        path, mark = folder / 'centroids.npz', folder / 'centroids.json'
        asked = {**made_of, 'settings': self.centroids}
        if path.is_file() and mark.is_file():
            stored = read_json(mark)
            if stored.pop('index', None) == CentroidIndex.load(path).hash and stored == asked:
                self.say(f'centroids: done before ({path})')
                return CentroidIndex.load(path).hash
        split = cfg.train_dataloader.dataset.get('split') or 'train'
        images = labelled_images(cfg, split, [self.dataset])
        index = build_centroids(images, self.dataset, 'train', workers=self.workers, say=self.say,
                                **self.centroids)
        index.save(path)
        write_json(mark, {**asked, 'index': index.hash})
        self.say(format_centroids(index))
        return index.hash

    def _starting_from(self, checkpoint: str) -> Config:
        """Return the config for fine-tuning with the student's weights to start from."""
        cfg = copy.deepcopy(self.finetune_cfg)
        if cfg.model.get('finetune_from'):  # of other classes, too
            cfg.model.finetune_from = checkpoint
        else:
            load_trained(checkpoint, cfg)  # MMEngine only warns of weights that do not fit
            cfg.load_from = checkpoint
        return cfg

    def _train(self, name: str, cfg: Config, folder: Path, made_of: dict | None = None) -> str:
        """Train a stage, or go on, or take it; returns its checkpoint."""
        cfg = copy.deepcopy(cfg)
        cfg.launcher = self.cfg.get('launcher', 'none')
        if self.seed is not None:
            cfg.randomness = {**(cfg.get('randomness') or {}), 'seed': self.seed}
        with self._named(name):
            asked = {'config': what_matters(cfg, self.root), **(made_of or {})}
            self.stages.append(train_stage(name, cfg, folder, asked, self.say))
            alone(self._summarize)
        return self.stages[-1].checkpoint

    def _summarize(self) -> None:
        write_json(self.root / 'self_training.json', {
            'config': self.cfg.filename and str(self.cfg.filename), 'teacher': self.teacher,
            'stages': [{'name': s.name,
                        'checkpoint': Path(s.checkpoint).relative_to(self.root).as_posix(),
                        'metrics': as_json(s.metrics), 'seconds': round(s.seconds, 1)}
                       for s in self.stages],
            'unreadable_images': {str(loop): why for loop, why in self.unreadable.items()}})

    @contextmanager
    def _named(self, stage: str) -> Iterator[None]:
        """Let errors begin with the name of the stage."""
        try:
            yield
        except (OSError, TypeError, ValueError) as error:
            kind = next(k for k in (FileNotFoundError, OSError, TypeError, ValueError)
                        if isinstance(error, k))
            said = getattr(error, 'filename', None) is None and getattr(error, 'strerror', None)
            raise kind(f'{stage}: {said or error}') from error
        except BaseException:
            self.say(f'{stage}: stopped; the same call again goes on from here')
            raise


def _check_keys(where: str, given: Mapping, allowed: tuple[str, ...]) -> None:
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        raise ValueError(f'{where} has no key {unknown[0]!r}; allowed: {", ".join(allowed)}')


def _options_of(function: Callable, *without: str) -> tuple[str, ...]:
    return tuple(name for name in inspect.signature(function).parameters if name not in without)


def _crops(cfg: Config) -> dict:
    """The sampler's centroid indices by dataset."""
    return (cfg.train_dataloader.get('sampler') or {}).get('centroids') or {}


def _names(cfg: Config) -> list[str]:
    """Names of the datasets of a config's loaders."""
    loaders = (cfg.get(f'{kind}_dataloader') or {} for kind in ('train', 'val', 'test'))
    return [whole_entry(entry)['name'] for loader in loaders
            for entry in (loader.get('dataset') or {}).get('datasets') or ()]


def _silent(_: str) -> None:
    """Say nothing: the first process does."""
