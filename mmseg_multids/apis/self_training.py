"""Self-training as one run of several stages: teacher, pseudo labels, centroids, student."""

from __future__ import annotations

import copy
import gc
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.config import Config
from mmengine.dist import barrier, get_local_rank, get_rank
from mmengine.logging import MessageHub
from mmengine.runner import Runner, find_latest_checkpoint

from ..datasets.data_root import resolve_data_root
from ..datasets.metainfo import whole_entry
from ..files import replacing
from .build_centroids import build_centroids, format_centroids, labelled_images
from .pseudo_images import images_in, images_of_dataset
from .pseudo_labels import generate_pseudo_labels
from .pseudo_statistics import format_statistics
from .trained import load_trained, name_of, read_config

#: What a finished stage of training leaves behind.
FINISHED = 'finished.json'
_KEYS = ('teacher', 'images', 'dataset', 'labels', 'centroids', 'finetune')


class Stage(NamedTuple):
    """A trained network."""

    name: str
    checkpoint: str
    #: Of the last validation, as ``city/mIoU``.
    metrics: dict[str, float]
    seconds: float


class SelfTraining:
    """The stages of self-training (Zhu et al., section 3.1) with a config for its student.

    Each loop labels images with the teacher, finds the objects in the labels where the student
    draws crops around them, and trains a student on real and pseudo labels, which is the next
    loop's teacher (appendix A.3). Every stage is kept when it is finished, and goes on where it was
    stopped: the same call again continues.

    The config is the student's; it trains on a ``PseudoLabelDataset``. Its ``self_training`` says
    how its labels are made::

        self_training = dict(
            teacher='selftrain_teacher_x50_cityscapes.py',   # beside the config, or a path
            images=['data/mapillary/training/images'],       # or dict(dataset='NAME', split='...')
            labels=dict(scales=(0.5, 1.0, 2.0), flip=True),  # of generate_pseudo_labels
            centroids=dict(point='mean'),                    # of build_centroids
            finetune=None)              # a config that the student is fine-tuned with (A.2)

    Args:
        cfg: The student's config; its ``work_dir`` gets a folder for each stage.
        teacher: A checkpoint of the teacher's config, in place of training one.
        workers: Processes for finding objects.
        say: Called with what is done.
        seed: Seed of all stages. Default: those of the configs.

    Raises:
        ValueError: A key that does not exist or is missing; the config has no such dataset.
        FileNotFoundError: There is no such config or checkpoint.
    """

    def __init__(self, cfg: Config, teacher: str | None = None, workers: int = 0,
                 say: Callable[[str], None] = print, seed: int | None = None) -> None:
        self.cfg, self.say, self.workers = cfg, say if get_rank() == 0 else _silent, workers
        self.root, self.seed = Path(cfg.work_dir), seed
        given = dict(cfg.get('self_training') or {})
        where = name_of(cfg)
        if not given:
            raise ValueError(f'{where} has no `self_training`, which says how pseudo labels are '
                             f'made; its keys: {", ".join(_KEYS)}')
        unknown = sorted(set(given) - set(_KEYS))
        if unknown:
            raise ValueError(f'self_training of {where} has no key {unknown[0]!r}; allowed: '
                             f'{", ".join(_KEYS)}')
        missing = [key for key in ('teacher', 'images') if not given.get(key)]
        if missing:
            raise ValueError(f'self_training of {where} needs {missing[0]!r}')
        self.labels = dict(given.get('labels') or {})
        self.centroids = dict(given.get('centroids') or {})
        self.images = given['images']
        self.dataset = self._pseudo_dataset(given.get('dataset'))
        self.teacher_cfg = self._config(given['teacher'])
        self.finetune_cfg = self._config(given['finetune']) if given.get('finetune') else None
        self.teacher = teacher
        if teacher is not None and not Path(teacher).is_file():
            raise FileNotFoundError(f'checkpoint {teacher} of the teacher does not exist')

    def _config(self, name: str) -> Config:
        """Read a config that stands beside the student's, or anywhere."""
        beside = Path(self.cfg.filename or '.').parent / name
        return read_config(beside if beside.is_file() else name)

    def _pseudo_dataset(self, name: str | None) -> str:
        entries = [whole_entry(entry) for entry in self.cfg.train_dataloader.dataset.datasets]
        found = [entry['name'] for entry in entries if entry.get('type') == 'PseudoLabelDataset']
        if name is None and len(found) == 1:
            return found[0]
        if name not in found:
            said = '' if name is None else f' {name!r}'
            raise ValueError(f'{name_of(self.cfg)}: self_training needs the PseudoLabelDataset'
                             f'{said} among train_dataloader.dataset.datasets; there are: '
                             f'{", ".join(found) or "none"}')
        return name

    def run(self, loops: int = 1) -> list[Stage]:
        """Do what is not done yet; returns all trained networks.

        Raises:
            ValueError: ``loops`` below 1; a folder has a stage of another config.
        """
        if loops < 1:
            raise ValueError(f'loops={loops}: at least 1 is needed')
        stages = []
        teacher, cfg = self.teacher, self.teacher_cfg
        if teacher is None:
            stages.append(self._train('teacher', cfg, self.root / 'teacher'))
            teacher = stages[-1].checkpoint
        for loop in range(1, loops + 1):
            folder = self.root / f'loop{loop}'
            self._label(cfg, teacher, folder / 'pseudo_labels')
            student = self.student_config(folder)
            if self.dataset in (student.train_dataloader.sampler.get('centroids') or {}):
                self._find_objects(student, folder / 'centroids.npz')
            stages.append(self._train(f'student {loop}', student, folder / 'student'))
            if self.finetune_cfg is not None:
                tuned = copy.deepcopy(self.finetune_cfg)
                tuned.load_from = stages[-1].checkpoint
                stages.append(self._train(f'student {loop}, fine-tuned', tuned,
                                          folder / 'finetuned'))
            teacher, cfg = stages[-1].checkpoint, self.finetune_cfg or student
        return stages

    def student_config(self, folder: Path) -> Config:
        """Return the student's config with the labels and objects of a loop's folder."""
        cfg = copy.deepcopy(self.cfg)
        for datasets in (cfg.model.datasets, cfg.train_dataloader.dataset.datasets):
            for entry in datasets:
                if whole_entry(entry)['name'] == self.dataset:
                    entry['folder'] = str(folder / 'pseudo_labels')
        crops = cfg.train_dataloader.sampler.get('centroids') or {}
        if self.dataset in crops:
            path = str(folder / 'centroids.npz')
            own = crops[self.dataset]
            crops[self.dataset] = {**own, 'path': path} if isinstance(own, dict) else path
        return cfg

    def _label(self, cfg: Config, checkpoint: str, folder: Path) -> None:
        if isinstance(self.images, dict):
            images = images_of_dataset(cfg, **self.images)
        else:
            paths = [self.images] if isinstance(self.images, str) else self.images
            images = images_in([p if Path(p).is_file() else resolve_data_root(p) for p in paths])
        self.say(f'pseudo labels: {len(images)} images by {checkpoint}')
        model = load_trained(checkpoint, cfg).model
        model.cfg = cfg
        if torch.cuda.is_available():
            model.to(f'cuda:{get_local_rank() % torch.cuda.device_count()}')
        labels = {**self.labels, 'label_space': self.labels.get('label_space')
                  or self._labels_of(model)}
        found = generate_pseudo_labels(model, images, folder, checkpoint, say=self.say, **labels)
        self.say(format_statistics(found.statistics))
        if found.failed:
            self.say(f'{len(found.failed)} image(s) could not be read and are left out, see '
                     f'{folder / "failed.json"}')

    def _labels_of(self, model: torch.nn.Module) -> str | None:
        """The label space of the labels: what the student takes them for."""
        for entry in map(whole_entry, self.cfg.train_dataloader.dataset.datasets):
            if entry['name'] == self.dataset:
                name = entry.get('labels_of') or entry['name']
                return name if name in model.label_space.datasets else None
        return None

    def _find_objects(self, cfg: Config, path: Path) -> None:
        if get_rank() == 0:
            images = labelled_images(cfg, cfg.train_dataloader.dataset.get('split') or 'train',
                                     [self.dataset])
            index = build_centroids(images, self.dataset, 'train', workers=self.workers,
                                    say=self.say, **self.centroids)
            index.save(path)
            self.say(format_centroids(index))
        barrier()

    def _train(self, name: str, cfg: Config, folder: Path) -> Stage:
        """Train, or go on, or take what is finished."""
        cfg = copy.deepcopy(cfg)
        if self.seed is not None:
            cfg.randomness = {**(cfg.get('randomness') or {}), 'seed': self.seed}
        mark = _hash_of(cfg)
        finished = folder / FINISHED
        if finished.is_file():
            stored = json.loads(finished.read_text())
            if stored['config'] != mark:
                raise ValueError(f'{folder} has the {name} of another config; remove the folder '
                                 'or choose another --work-dir')
            stage = Stage(name, str(folder / stored['checkpoint']), stored['metrics'],
                          stored['seconds'])
            self.say(f'{name}: done before ({say_metrics(stage.metrics)})')
            return stage
        self.say(f'{name}: training in {folder}')
        gc.collect()  # the network before holds memory until its cycles of references are found
        begin = time.monotonic()
        cfg.work_dir = str(folder)
        cfg.launcher = self.cfg.get('launcher', 'none')
        if self.cfg.get('model_wrapper_cfg'):
            cfg.model_wrapper_cfg = self.cfg.model_wrapper_cfg
        cfg.experiment_name = f'{folder.parent.name}_{folder.name}_{time.time_ns()}'
        if find_latest_checkpoint(str(folder)) is not None:
            cfg.resume, cfg.load_from = True, None
        runner = Runner.from_cfg(cfg)
        runner.train()
        metrics = _last_metrics(runner.message_hub)
        checkpoint = find_latest_checkpoint(str(folder))
        if checkpoint is None:
            raise ValueError(f'{name} has written no checkpoint to {folder}; its config must have '
                             'the CheckpointHook save one at the end (save_last)')
        del runner
        stage = Stage(name, str(folder / Path(checkpoint).name), metrics, time.monotonic() - begin)
        if get_rank() == 0:
            with replacing(finished) as file:
                file.write_text(json.dumps({
                    'config': mark, 'checkpoint': Path(checkpoint).name,
                    'metrics': metrics, 'seconds': stage.seconds}, indent=1))
        barrier()
        self.say(f'{name}: {say_metrics(metrics)}')
        return stage


def format_stages(stages: Sequence[Stage]) -> str:
    """Return a table of the trained networks."""
    lines = [f'{"stage":24} {"mIoU":32} {"minutes":>7}  checkpoint']
    lines += [f'{stage.name:24} {say_metrics(stage.metrics):32} {stage.seconds / 60:7.1f}  '
              f'{stage.checkpoint}' for stage in stages]
    return '\n'.join(lines)


def say_metrics(metrics: dict[str, float]) -> str:
    """Return the mIoUs as text."""
    found = {key.rpartition('/')[0]: value for key, value in metrics.items()
             if key.endswith('/mIoU')}
    own = {key: value for key, value in found.items() if key not in ('mean', 'harmonic')}
    shown = found if len(own) > 1 else own
    return ', '.join(f'{key} {value:.2f}' for key, value in shown.items()) or 'not validated'


def _last_metrics(hub: MessageHub) -> dict[str, float]:
    return {key[len('val/'):]: float(scalars.current())
            for key, scalars in hub.log_scalars.items() if key.startswith('val/')
            and not key.endswith('time')}


def _hash_of(cfg: Config) -> str:
    """What identifies a stage: its config but for where and how it is run."""
    plain = {key: value for key, value in cfg.to_dict().items() if key not in (
        'work_dir', 'launcher', 'resume', 'load_from', 'model_wrapper_cfg', 'experiment_name',
        'self_training', 'timestamp')}
    text = json.dumps(plain, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _silent(_: str) -> None:
    """Say nothing: the first process does."""
