"""Self-training's claims on small data (Zhu et al., Tables 2, 4, 7, 8, 9, Figure 3); Markdown.

Every seed trains a teacher, which labels images, and students that differ in what they make of
them, for as many iterations: the paper's students train longer, the more pseudo labels they see,
and it repeats real labels to tell the one from the other; here a row of twice the length on real
labels says what length is worth. Finished runs are kept in ``--out`` and not repeated, so an
interrupted call goes on.

    python benchmarks/self_training_results.py --set toyworld --out work_dirs/self_training_results
    python benchmarks/self_training_results.py --set realbench --out work_dirs/self_training_results
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from runs import ROOT, launch, launch_all, plain_dumps, quiet
from self_training_configs import (
    config_of,
    folder_of,
    make_small,
    pool_of,
    shared_folder,
    student_config,
    with_metro,
)
from self_training_rows import (
    BACKBONE,
    BACKBONE_ITERS,
    BEST,
    IMAGE,
    ROWS,
    SETS,
    SHARE,
    SIZES,
    STARTS,
    TABLES,
    WRITTEN,
    needs,
    runs_of,
)
from uniseg_results import cell

from mmseg_multids.apis.build_centroids import build_centroids, labelled_images
from mmseg_multids.apis.few_shot import choose_fraction, choose_shots, classes_shown, whole_split
from mmseg_multids.apis.pseudo_images import images_in
from mmseg_multids.apis.pseudo_labels import generate_pseudo_labels
from mmseg_multids.apis.trained import load_trained
from mmseg_multids.datasets.label_maps import LabelMaps
from mmseg_multids.datasets.pseudo_folder import PseudoLabelFolder, label_name
from mmseg_multids.datasets.subsets import write_subset
from mmseg_multids.datasets.toyworld.disk import write_view
from mmseg_multids.evaluation.iou import count_pixels, score_dataset
from mmseg_multids.files import replacing


def _train(cfg: Config, which: str, seed: int, folder: Path, iters: int, out: Path,
           all_labels: bool = False) -> float:
    """Train; returns the seconds it took."""
    make_small(cfg, which, seed, out, all_labels)
    quiet(cfg, folder, seed, iters)
    if SETS[which].before and folder.name != BACKBONE:
        cfg.model.backbone.init_cfg = {
            'type': 'Pretrained', 'prefix': 'backbone.',
            'checkpoint': _checkpoint(folder_of(which, BACKBONE, 0, out))}
    if 'batch_sampler' in cfg.train_dataloader:
        cfg.train_cfg.max_iters = None  # as its schedule says
    runner = Runner.from_cfg(cfg)
    begin = time.monotonic()
    runner.train()
    return time.monotonic() - begin


def _test(cfg: Config, which: str, seed: int, folder: Path, out: Path) -> dict[str, float]:
    """Return the mIoU of the last checkpoint on all datasets of the test loader."""
    make_small(cfg, which, seed, out)
    runner = Runner.from_cfg(quiet(cfg, folder, seed, 100))
    runner.load_checkpoint(_checkpoint(folder))
    found = runner.test()
    return {key: float(value) for key, value in found.items() if key.endswith('/mIoU')
            and not key.startswith(('mean/', 'harmonic/', 'seen/', 'unseen/'))}


def _checkpoint(folder: Path) -> str:
    return (folder / 'last_checkpoint').read_text().strip()


def label(which: str, seed: int, teacher_cfg: Config, checkpoint: str, labelled: str,
          folder: Path, args: argparse.Namespace, soft: int = 0,
          portion: float | None = None) -> None:
    """Write a teacher's pseudo labels and the index of their objects."""
    cfg = copy.deepcopy(teacher_cfg)
    make_small(cfg, which, seed, args.out)
    model = load_trained(checkpoint, cfg).model
    model.cfg = cfg
    settings = config_of(SETS[which].student).self_training
    generate_pseudo_labels(model, images_in(pool_of(which, labelled, args.out)),
                           folder / 'pseudo_labels', checkpoint, SETS[which].name, soft=soft,
                           scales=SETS[which].label_scales, flip=True, portion=portion)
    student = student_config(which, ROWS[BEST], folder)
    make_small(student, which, seed, args.out)
    name = f'{SETS[which].name}_pseudo'
    build_centroids(labelled_images(student, 'train', [name]), name, 'train',
                    **settings.centroids).save(folder / 'centroids.npz')


def quality(which: str, labels: Path, args: argparse.Namespace) -> float:
    """Return the mIoU of pseudo labels of the labelled dataset's images, whose truth is there."""
    images = images_in(pool_of(which, 'pool', args.out))
    made, counts = PseudoLabelFolder(labels / 'pseudo_labels'), []
    classes = made.read_manifest()['classes']
    for i, image in enumerate(images.images):
        folder = Path(images.path(i)).parent
        dataset = folder.parent.parent
        if dataset.name == SETS[which].name:
            truth = dataset / 'labels' / folder.name / f'{Path(image).stem}.png'
            counts.append(count_pixels(*(cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in (
                made.label(label_name(image)), truth)), len(classes)))
    return 100 * score_dataset(counts, classes).mean()


def train_row(which: str, name: str, seed: int, folder: Path, args: argparse.Namespace) -> dict:
    """Train and test a row."""
    row, shared = ROWS[name], shared_folder(which, seed, args.out)
    teacher_cfg = config_of(SETS[which].teacher)
    iters = round(args.iters * row.length)
    if not row.ratio:
        seconds = _train(copy.deepcopy(teacher_cfg), which, seed, folder, iters, args.out,
                         row.all_labels)
        tested = teacher_cfg
    else:
        labels = shared / f'labels_{row.labelled}'
        if row.taught_by != 'teacher' or row.portion:
            made_by = teacher_cfg if row.taught_by == 'teacher' else student_config(
                which, ROWS[row.taught_by], labels)
            source = folder_of(which, row.taught_by, seed, args.out)
            labels = folder / 'labels'
            label(which, seed, made_by, _checkpoint(source), row.labelled, labels, args,
                  portion=row.portion)
        cfg = tested = student_config(which, row, labels)
        cfg = copy.deepcopy(cfg)
        if row.schedule is not None:
            # Equal images: half an epoch of real ones and `ratio` times as many, in 24 epochs, of
            # which the first few have the largest crops, as 20 of the paper's 180.
            epochs = 24
            cfg.train_dataloader.batch_sampler = {
                'type': 'CropScheduleBatchSampler', 'kind': row.schedule, 'sizes': SIZES,
                'epochs': epochs, 'stage_epochs': 5, 'warmup_epochs': 3,
                'epoch_images': round(iters * cfg.train_dataloader.batch_size / epochs)}
        if row.pretrain:
            before = copy.deepcopy(cfg)
            pseudo = f'{SETS[which].name}_pseudo'
            before.train_dataloader.dataset.datasets = [
                e for e in before.train_dataloader.dataset.datasets if e.get('name') == pseudo]
            before.train_dataloader.sampler.plan = {'type': 'concat'}
            first = round(iters * row.pretrain)
            seconds = _train(before, which, seed, folder / 'pretrained', first, args.out)
            cfg, iters = copy.deepcopy(teacher_cfg), iters - first
            cfg.load_from = _checkpoint(folder / 'pretrained')
            tested = teacher_cfg
            seconds += _train(cfg, which, seed, folder, iters, args.out)
        else:
            seconds = _train(cfg, which, seed, folder, iters, args.out)
    scores = _test(with_metro(copy.deepcopy(tested), which), which, seed, folder, args.out)
    if name == 'teacher':
        for labelled, soft in (('pool', 4), ('target', 0)):
            label(which, seed, teacher_cfg, _checkpoint(folder), labelled,
                  shared / f'labels_{labelled}', args, soft)
    found = {'mIoU': scores, 'training seconds': seconds}
    if name == 'teacher':
        found['pseudo labels'] = quality(which, shared / 'labels_pool', args)
    return found


def train_backbone(which: str, seed: int, folder: Path, args: argparse.Namespace) -> dict:
    """Train what the backbones of all rows begin with, on other datasets."""
    cfg = config_of(SETS[which].teacher)
    base = ROOT / 'configs' / '_base_' / 'datasets'
    entries = [Config.fromfile(base / f'{name}.py')[name] for name in SETS[which].before]
    for part in (cfg.model, *(cfg[f'{kind}_dataloader'].dataset
                              for kind in ('train', 'val', 'test'))):
        part['datasets'] = copy.deepcopy(entries)
    cfg.train_dataloader.sampler.plan = {'type': 'mixed'}
    tested = copy.deepcopy(cfg)
    _train(cfg, which, seed, folder, BACKBONE_ITERS, args.out)
    return {'mIoU': _test(tested, which, seed, folder, args.out)}


def finetune(which: str, start: str, shots: int | None, seed: int, folder: Path,
             args: argparse.Namespace) -> dict:
    """Fine-tune on few images of the new domain, from a row's network or without."""
    data = SETS[which]
    cfg = config_of(data.teacher)
    base = Config.fromfile(ROOT / 'configs' / '_base_' / 'datasets' / f'{data.target_file}.py')
    entry = {'extends': base[data.target_file]}
    if which == 'toyworld':
        entry['image_size'] = (IMAGE, IMAGE)
        entry['splits'] = {s: {'split': s, 'size': n}
                           for s, n in (('train', WRITTEN), ('val', 100), ('test', 100))}
    for datasets in (cfg.model, *(cfg[f'{part}_dataloader'].dataset
                                  for part in ('train', 'val', 'test'))):
        datasets['datasets'] = [copy.deepcopy(entry)]
    if shots is not None:
        maps = LabelMaps(whole_split(cfg, data.target), data.target)
        chosen = choose_shots(classes_shown(maps), shots, seed).images
        file = folder / 'few.txt'
        write_subset(file, data.target, 'train', [maps.name(i) for i in chosen])
        cfg.train_dataloader.dataset.datasets[0]['subset'] = {'train': str(file)}
        count = len(chosen)
    else:
        count = WRITTEN if which == 'toyworld' else len(
            LabelMaps(whole_split(cfg, data.target), data.target))
    if start != 'no teacher':
        cfg.model.update(
            finetune_from=_checkpoint(folder_of(which, start, seed, args.out)),
            finetune_classifier='by_name')
    tested = copy.deepcopy(cfg)
    _train(cfg, which, seed, folder, args.iters // 4, args.out)
    tested.model.pop('finetune_from', None)
    tested.model.pop('finetune_classifier', None)
    return {'mIoU': _test(tested, which, seed, folder, args.out), 'images': count}


def one(which: str, name: str, seed: int, folder: Path, args: argparse.Namespace) -> None:
    """Do one run."""
    init_default_scope('mmseg')
    begin = time.monotonic()
    with plain_dumps():
        if name == BACKBONE:
            found = train_backbone(which, seed, folder, args)
        elif name in ROWS:
            found = train_row(which, name, seed, folder, args)
        else:
            _, start, shots = name.split('|')
            found = finetune(which, start, None if shots == 'all' else int(shots), seed, folder,
                             args)
    with replacing(folder / 'scores.json') as file:
        file.write_text(json.dumps({**found, 'seconds': time.monotonic() - begin}))


def prepare(which: str, seeds: Sequence[int], out: Path) -> None:
    """Write the images of ToyWorld, and choose the labelled ones of CamVid."""
    if which == 'toyworld':
        for view in ('city', 'metro', 'atlas'):
            # Other scenes than those with labels, which are of the world with seed 0.
            write_view(out / 'toyworld', view, 'train', WRITTEN, (IMAGE, IMAGE), 1)
        return
    init_default_scope('mmseg')
    data = SETS[which]
    maps = LabelMaps(whole_split(config_of(data.teacher), data.name), data.name)
    for seed in seeds:
        chosen = choose_fraction(len(maps), SHARE, seed)
        write_subset(shared_folder(which, seed, out) / 'labelled.txt', data.name, 'train',
                     [maps.name(i) for i in chosen])


def report(which: str, seeds: Sequence[int], out: Path) -> str:
    """Return the tables of a set."""
    def results(name: str) -> list[dict]:
        return [json.loads((folder_of(which, name, seed, out) / 'scores.json').read_text())
                for seed in seeds]

    blocks = []
    for title, rows in TABLES.items():
        columns = list(results(rows[0])[0]['mIoU'])
        timed = 'schedules' in title
        head = [f'{key.rpartition("/")[0]} mIoU' for key in columns] + ['seconds'] * timed
        lines = [f'#### {title}', '', '| | ' + ' | '.join(head) + ' |',
                 '|---' * (len(head) + 1) + '|']
        for row in (row for row in rows if row not in SETS[which].without):
            found = results(row)
            cells = [cell([r['mIoU'][key] for r in found]) for key in columns]
            if timed:
                cells.append(cell([r['training seconds'] for r in found]))
            lines.append(f'| {row} | ' + ' | '.join(cells) + ' |')
        blocks.append('\n'.join(lines))
    key, shown = f'{SETS[which].target}/mIoU', SETS[which].shots
    counts = [results(f'few|{STARTS[0]}|{shots or "all"}') for shots in shown]
    head = [f'{shots} of each class' if shots else 'all' for shots in shown]
    lines = [f'#### Few labels of a new domain, {SETS[which].target} (Figure 3)', '',
             '| begins with | ' + ' | '.join(
                 f'{text} ({np.mean([r["images"] for r in found]):.0f} images)'
                 for text, found in zip(head, counts)) + ' |', '|---' * (len(shown) + 1) + '|']
    for start in STARTS:
        cells = [cell([r['mIoU'][key] for r in results(f'few|{start}|{shots or "all"}')])
                 for shots in shown]
        lines.append(f'| {start} | ' + ' | '.join(cells) + ' |')
    blocks.append('\n'.join(lines))
    folders = [folder_of(*run, out) for run in runs_of(which, seeds)]
    seconds = sum(json.loads((f / 'scores.json').read_text())['seconds'] for f in folders)
    labels = cell([r['pseudo labels'] for r in results('teacher')])
    blocks.append(f'Pseudo labels of {SETS[which].name} against the truth: mIoU {labels}.')
    return '\n\n'.join([*blocks, f'{seconds / 60:.0f} minutes of one core in all.'])


def main() -> None:
    """Train what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--set', choices=SETS)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/self_training_results'))
    parser.add_argument('--iters', type=int, help='iterations of the teacher')
    parser.add_argument('--seeds', type=int, nargs='+', default=(0, 1, 2))
    parser.add_argument('--jobs', type=int, default=os.cpu_count(), help='runs at a time')
    parser.add_argument('--one', help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.out = args.out.resolve()
    if args.one:
        which, name, seed = json.loads(args.one)
        one(which, name, seed, folder_of(which, name, seed, args.out), args)
        return
    if args.set is None:
        parser.error('--set is needed')
    args.iters = args.iters or SETS[args.set].iters
    prepare(args.set, args.seeds, args.out)
    options = ['--out', str(args.out), '--iters', str(args.iters)]
    launch_all(runs_of(args.set, args.seeds), args.jobs,
               lambda run: launch(__file__, run, folder_of(*run, args.out), options), needs)
    print(report(args.set, args.seeds, args.out))


if __name__ == '__main__':
    main()
