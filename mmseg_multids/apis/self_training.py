"""Self-training as one run of several stages: teacher, pseudo labels, centroids, student."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import get_rank

from ..datasets.centroids import CentroidIndex
from ..datasets.pseudo_folder import PseudoLabelFolder
from ..label_spaces.json_files import read_json
from ..processes import on_rank_0
from .build_centroids import build_centroids, format_centroids, labelled_images
from .pseudo_labels import generate_pseudo_labels, sha256_of
from .pseudo_statistics import format_statistics, why_nothing
from .self_training_settings import SelfTrainingSettings
from .trained import build_segmentor, load_trained
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


class SelfTraining:
    """The stages of self-training (Zhu et al., section 3.1) with a config for its student.

    Each loop labels images with the teacher, finds the objects in the labels where the student
    draws crops around them, and trains a student on real and pseudo labels, which is the next
    loop's teacher (appendix A.3). Every stage is kept when it is finished, and goes on where it was
    stopped: the same call again continues. A stage that was made with other settings, or of other
    files, than the call asks for is refused.

    The config is the student's; its ``self_training`` says how labels are made, see
    :class:`.SelfTrainingSettings`. A config for fine-tuning starts from the student by its
    ``model.finetune_from`` where it has one, else by ``load_from``.

    Args:
        cfg: The student's config; its ``work_dir`` gets a folder for each stage, and
            ``self_training.json`` with what was reached so far.
        teacher: A checkpoint of the teacher's config, in place of training one.
        workers: Processes for finding objects.
        say: Called with what is done.
        seed: Seed of all stages. Default: those of the configs.

    Attributes:
        settings: What the config says.
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
        self.settings = SelfTrainingSettings(cfg)
        self.teacher = teacher
        if teacher is not None and not Path(teacher).is_file():
            raise FileNotFoundError(f'checkpoint {teacher} of the teacher does not exist')

    def run(self, loops: int = 1) -> list[Stage]:
        """Do what is not done yet; returns all trained networks.

        Errors begin with the name of the stage.

        Raises:
            ValueError: ``loops`` below 1; a folder has a stage of another config; as the stages.
        """
        if loops < 1:
            raise ValueError(f'loops={loops}: at least 1 is needed')
        if not (self._folder(1) / 'pseudo_labels' / FINISHED).is_file():
            with self._named('teacher'):
                model = build_segmentor(self.settings.teacher_cfg)
            model.cfg = self.settings.teacher_cfg
            self.settings.check_target(model)
            if self.settings.student_classes() is not None:  # else they are those of the labels
                with self._named('student 1'):
                    check_trainable(self.cfg)
        self.stages, self.unreadable = [], {}
        teacher, cfg = self.teacher, self.settings.teacher_cfg
        if teacher is None:
            teacher = self._train('teacher', cfg, self.root / 'teacher')
        for loop in range(1, loops + 1):
            folder, name = self._folder(loop), f'student {loop}'
            with self._named(f'pseudo labels {loop}'):
                made_of = self._label(loop, cfg, teacher)
            student = self.settings.student_config(folder)
            if self.settings.has_crops:
                with self._named(f'centroids {loop}'):
                    found = on_rank_0(partial(self._find_objects, student, folder, made_of))
                made_of['centroids'] = found
            teacher, cfg = self._train(name, student, folder / 'student', made_of), student
            if self.settings.finetune_cfg is not None:
                name += ', fine-tuned'
                with self._named(name):
                    cfg = self._starting_from(teacher)
                teacher = self._train(name, cfg, folder / 'finetuned',
                                      {'student': sha256_of(teacher)})
        return self.stages

    def _folder(self, loop: int) -> Path:
        return self.root / f'loop{loop}'

    def _label(self, loop: int, cfg: Config, checkpoint: str) -> dict:
        """Label the images; returns what a student of them is made of."""
        folder = self._folder(loop) / 'pseudo_labels'
        settings, images = self.settings, self.settings.images
        plain = json.loads(json.dumps(cfg.to_dict(), default=str))
        asked = hashlib.sha256(json.dumps(
            [sha256_of(checkpoint), settings.labels, settings.entry.get('labels_of'), images.root,
             images.images, plain.get('model'), plain.get('test_pipeline')],
            sort_keys=True, default=str).encode('utf-8', 'surrogateescape')).hexdigest()
        if on_rank_0(lambda: self._is_labelled(loop, asked)):
            self.say(f'pseudo labels {loop}: done before ({len(images)} images)')
        else:
            self.say(f'pseudo labels {loop}: {len(images)} images by {checkpoint}')
            release_memory()
            model = load_trained(checkpoint, cfg).model
            model.cfg = cfg
            if torch.cuda.is_available():
                # The launcher's: each process has set its own.
                model.to(torch.device('cuda', torch.cuda.current_device()))
            space = settings.labels.get('label_space') or settings.labels_of(model)
            found = generate_pseudo_labels(model, images, folder, checkpoint, say=self.say,
                                           **{**settings.labels, 'label_space': space})
            self.say(format_statistics(found.statistics))
            if not found.statistics['images']:
                raise ValueError(f'none of the {len(images)} images could be read, see '
                                 f'{folder / "failed.json"}')
            if not found.statistics['labelled']:
                raise ValueError(why_nothing(found.statistics))
            on_rank_0(lambda: write_json(folder / FINISHED, {'asked': asked}))
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

    def _find_objects(self, cfg: Config, folder: Path, made_of: dict) -> str:
        """Write the index of the objects in the labels, if it is not there; returns its hash."""
        path, mark = folder / 'centroids.npz', folder / 'centroids.json'
        dataset, options = self.settings.dataset, self.settings.centroids
        asked = {**made_of, 'settings': options}
        if path.is_file() and mark.is_file():
            stored = read_json(mark)
            if stored.pop('index', None) == CentroidIndex.load(path).hash and stored == asked:
                self.say(f'centroids: done before ({path})')
                return CentroidIndex.load(path).hash
        split = cfg.train_dataloader.dataset.get('split') or 'train'
        images = labelled_images(cfg, split, [dataset])
        index = build_centroids(images, dataset, 'train', workers=self.workers, say=self.say,
                                **options)
        index.save(path)
        write_json(mark, {**asked, 'index': index.hash})
        self.say(format_centroids(index))
        return index.hash

    def _starting_from(self, checkpoint: str) -> Config:
        """Return the config for fine-tuning with the student's weights to start from."""
        cfg = copy.deepcopy(self.settings.finetune_cfg)
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
            on_rank_0(self._summarize)
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


def _silent(_: str) -> None:
    """Say nothing: the first process does."""
