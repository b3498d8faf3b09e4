"""One training among several of a run: kept when it is finished, else continued."""

from __future__ import annotations

import copy
import gc
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from prettytable import PrettyTable

from ..datasets.metainfo import whole_entry
from ..datasets.plans import build_plan, crop_sizes_of, refuse_unknown
from ..files import replacing
from ..label_spaces.json_files import read_json
from ..processes import on_rank_0
from .launch import prepare_cpu_distributed
from .trained import build_segmentor, read_checkpoint

#: What a stage was asked to do, written when it begins.
ASKED = 'stage.json'
#: What it reached, written when it is finished.
FINISHED = 'finished.json'
#: The keys of a config that the trained weights depend on.
_KEYS = ('model', 'data_preprocessor', 'train_dataloader', 'train_cfg', 'optim_wrapper',
         'param_scheduler', 'auto_scale_lr', 'custom_hooks', 'randomness', 'sync_bn', 'load_from')
#: Parts of these keys on which they do not.
_IDLE = {'model': ('test_cfg',), 'train_cfg': ('val_begin', 'val_interval', 'dynamic_intervals'),
         'train_dataloader': ('num_workers', 'persistent_workers', 'pin_memory',
                              'prefetch_factor', 'timeout')}
_MEANS = ('mean', 'harmonic', 'seen', 'unseen')


class Stage(NamedTuple):
    """A trained network."""

    name: str
    checkpoint: str
    #: Of the last validation, as ``city/mIoU``; empty without one.
    metrics: dict[str, float]
    seconds: float


def check_trainable(cfg: Config) -> None:
    """Refuse what a config's training would refuse, as far as that is known without its images.

    The network is built, without weights, and datasets that the plan, the sampler and the batch
    sampler name are looked for.

    Raises:
        ValueError: The network or the plan cannot be; a name of no dataset.
    """
    build_segmentor(cfg)
    loader = cfg.train_dataloader
    sizes = {whole_entry(entry)['name']: 1 for entry in loader.dataset.datasets}  # not known yet
    sampler, batches = loader.get('sampler') or {}, loader.get('batch_sampler') or {}
    if sampler.get('plan'):
        build_plan(sampler['plan'], sizes, loader.get('batch_size'))
    crop_sizes_of(sampler.get('crop_size'), sizes)
    for key, names in (('centroids', sampler.get('centroids')),
                       ('epoch_of', batches.get('epoch_of'))):
        refuse_unknown(names or {}, sizes, key)


def train_stage(name: str, cfg: Config, folder: Path, asked: dict,
                say: Callable[[str], None] = print) -> Stage:
    """Train a config in a folder, or go on, or take what is finished.

    Args:
        name: What messages call it.
        cfg: Config; ``work_dir``, and with it logs and checkpoints, become the folder.
        folder: The stage's folder.
        asked: What the result depends on (:func:`what_matters` and files): another call with
            something else is refused once there is a checkpoint.
        say: Called with what is done.

    Raises:
        ValueError: The folder has the checkpoint of something else; the difference is named.
        FileNotFoundError: The checkpoint of a finished stage is missing.
    """
    stored, last = on_rank_0(lambda: _begin(name, folder, asked))
    if stored is not None:
        stage = Stage(name, str(folder / stored['checkpoint']), _from_json(stored['metrics']),
                      stored['seconds'])
        say(f'{name}: done before ({say_metrics(stage.metrics)})')
        return stage
    say(f'{name}: training in {folder}' if last is None else f'{name}: goes on from {last}')
    release_memory()
    begin = time.monotonic()
    runner = Runner.from_cfg(_of_stage(cfg, folder, last))
    watch = _LastValidation()
    runner.register_hook(watch, priority='VERY_LOW')
    runner.train()
    if watch.metrics is None and last is not None and runner.val_loop is not None \
            and runner.val_begin <= runner.iter:
        runner.val_loop.run()  # it was stopped between its last iteration and this
    seconds = time.monotonic() - begin
    times = runner.message_hub.log_scalars.get('train/time')
    if last is not None and times is not None:
        seconds = max(seconds, float(times.data[0].sum()))  # with those before it was stopped
    metrics = {key: float(value) for key, value in (watch.metrics or {}).items()
               if isinstance(value, (int, float)) or getattr(value, 'ndim', None) == 0}
    stage = on_rank_0(lambda: _finish(name, runner, folder, metrics, seconds))
    say(f'{name}: {say_metrics(metrics)}')
    return stage


def what_matters(cfg: Config, root: Path) -> dict:
    """Return the part of a config that the trained weights depend on, in JSON's types.

    Where and how a stage is run, logged, validated and saved is no part of it, nor is the folder
    ``root`` of the whole run, which may be moved.
    """
    plain = cfg.to_dict()
    found = {}
    for key in _KEYS:
        value = plain.get(key)
        if isinstance(value, dict):
            value = {k: v for k, v in value.items() if k not in _IDLE.get(key, ())}
        if value is not None:
            found[key] = value
    return _without(json.loads(json.dumps(found, default=str)), root)


def first_difference(present, asked, where: str = '') -> str | None:
    """Say where two values of JSON differ first; ``None``: nowhere."""
    if present == asked:
        return None
    if isinstance(present, dict) and isinstance(asked, dict):
        for key in dict.fromkeys([*present, *asked]):
            path = f'{where}.{key}' if where else str(key)
            if key not in present:
                return f'{path} is {_short(asked[key])} now, and was not set'
            if key not in asked:
                return f'{path} was {_short(present[key])}, and is not set now'
            found = first_difference(present[key], asked[key], path)
            if found:
                return found
    if isinstance(present, list) and isinstance(asked, list) and len(present) == len(asked):
        return next(text for i, pair in enumerate(zip(present, asked))
                    if (text := first_difference(*pair, f'{where}.{i}')))
    return f'{where} was {_short(present)}, and is {_short(asked)} now'


def last_checkpoint(folder: Path) -> Path | None:
    """Return the last checkpoint that training wrote to a folder, wherever that lies by now."""
    note = folder / 'last_checkpoint'
    if not note.is_file():
        return None
    path = folder / Path(note.read_text(encoding='utf-8').strip()).name
    # Of one that is kept, MMEngine deletes the old one before it writes the new one.
    return path if path.is_file() else None


def release_memory() -> None:
    """Free what networks before hold: until their cycles of references are found, all of it."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def write_json(path: Path, content) -> None:
    """Write a file as a whole."""
    with replacing(path) as file:
        file.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding='utf-8')


def as_json(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Return metrics in JSON's types, which have no NaN."""
    return {key: value if math.isfinite(value) else None for key, value in metrics.items()}


def say_metrics(metrics: Mapping[str, float]) -> str:
    """Return the mIoUs as text."""
    return ', '.join(f'{name} {value:.2f}' for name, value in _mious(metrics).items()) \
        or 'not validated'


def format_stages(stages: Sequence[Stage]) -> str:
    """Return a table of the trained networks: the mIoU of each dataset, minutes, checkpoint."""
    found = [_mious(stage.metrics) for stage in stages]
    columns = list(dict.fromkeys(name for row in found for name in row))
    columns.sort(key=lambda name: name in _MEANS)
    table = PrettyTable(['stage', *(columns or ['mIoU']), 'minutes', 'checkpoint'])
    table.align = 'r'
    table.align['stage'] = table.align['checkpoint'] = 'l'
    for stage, row in zip(stages, found):
        table.add_row([stage.name, *(f'{row[c]:.2f}' if c in row else '-'
                                     for c in columns or ['mIoU']),
                       f'{stage.seconds / 60:.1f}', stage.checkpoint])
    return table.get_string(title='mIoU of the last validation' if columns else 'not validated')


def _mious(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the mIoU by dataset, and means where there are several."""
    found = {key.rpartition('/')[0] or 'mIoU': value for key, value in metrics.items()
             if key == 'mIoU' or key.endswith('/mIoU')}
    own = {name: value for name, value in found.items() if name not in _MEANS}
    return found if len(own) > 1 else own


def _begin(name: str, folder: Path, asked: dict) -> tuple[dict | None, Path | None]:
    """Return what a finished stage reached, or the checkpoint that it goes on from."""
    asked = json.loads(json.dumps(asked, default=str))
    finished, last = folder / FINISHED, last_checkpoint(folder)
    if finished.is_file() or last is not None:
        difference = f'it has no {ASKED}'
        if (folder / ASKED).is_file():
            difference = first_difference(read_json(folder / ASKED), asked)
        if difference:
            raise ValueError(f'{folder} has the {name} of another config or of other files: '
                             f'{difference}; remove the folder or choose another --work-dir')
    if not finished.is_file():
        write_json(folder / ASKED, asked)
        return None, last
    stored = read_json(finished)
    if not (folder / stored['checkpoint']).is_file():
        raise FileNotFoundError(f'{folder / stored["checkpoint"]}, the {name}, does not exist any '
                                f'more; put it back, or remove {folder} to train it again')
    return stored, None


def _of_stage(cfg: Config, folder: Path, last: Path | None) -> Config:
    """Return a config that runs in the stage's folder."""
    cfg = copy.deepcopy(cfg)
    cfg.work_dir = str(folder)
    prepare_cpu_distributed(cfg)
    cfg.experiment_name = f'{folder.parent.name}_{folder.name}_{time.time_ns()}'
    if cfg.get('visualizer'):
        # MMEngine has one visualizer of a name, and that of a stage before writes to its folder.
        cfg.visualizer = {**cfg.visualizer, 'name': cfg.experiment_name}
    cfg.resume = last is not None
    if last is not None:
        cfg.load_from = str(last)
    return cfg


def _final_checkpoint(runner: Runner, folder: Path) -> str:
    """Return the file with the weights as they are, written if there is none.

    There is none with ``save_last=False``, without a ``CheckpointHook``, and after a stop before
    the last iteration.
    """
    last = last_checkpoint(folder)
    if last is not None and read_checkpoint(last).get('meta', {}).get('iter') == runner.iter:
        return last.name
    name = f'iter_{runner.iter}.pth'
    runner.save_checkpoint(str(folder), name, by_epoch=False,
                           meta={'epoch': runner.epoch, 'iter': runner.iter})
    with replacing(folder / 'last_checkpoint') as file:
        file.write_text(str(folder / name), encoding='utf-8')
    return name


def _finish(name: str, runner: Runner, folder: Path, metrics: dict, seconds: float) -> Stage:
    checkpoint = _final_checkpoint(runner, folder)
    write_json(folder / FINISHED, {'checkpoint': checkpoint, 'metrics': as_json(metrics),
                                   'seconds': seconds})
    return Stage(name, str(folder / checkpoint), metrics, seconds)


def _without(part, root: Path):
    """Take a folder out of the paths in a part of a config."""
    if isinstance(part, dict):
        return {key: _without(value, root) for key, value in part.items()}
    if isinstance(part, list):
        return [_without(value, root) for value in part]
    below = os.path.join(str(root), '')
    return part[len(below):] if isinstance(part, str) and part.startswith(below) else part


def _from_json(metrics: Mapping[str, float | None]) -> dict[str, float]:
    return {key: math.nan if value is None else value for key, value in metrics.items()}


def _short(value) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f'{text[:117]}...'


class _LastValidation(Hook):
    """Keeps the metrics of the last validation of this process."""

    def __init__(self) -> None:
        self.metrics: dict | None = None

    def after_val_epoch(self, runner, metrics=None) -> None:
        """Keep them."""
        self.metrics = dict(metrics or {})
