"""What ``self_training_results.py`` trains: data, rows and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Set(NamedTuple):
    """Which data."""

    #: The labelled dataset, and configs of teacher and student.
    name: str
    teacher: str
    student: str
    #: The file in ``_base_`` of the new domain, its name, and the folder of its images.
    target_file: str
    target: str
    target_images: str
    #: Scale at which images are tested, of crops, and of the images that the teacher labels.
    test_scale: float
    scales: tuple[float, float]
    label_scales: tuple[float, ...]
    #: Iterations of the teacher.
    iters: int
    #: Images of each class of the new domain that have labels; ``None``: all.
    shots: tuple[int | None, ...]
    #: Files in ``_base_`` of the datasets that the backbone of all rows was trained on before, for
    #: ``BACKBONE_ITERS``, as the paper's was on ImageNet; none: from scratch.
    before: tuple[str, ...] = ()
    #: Rows that are left out, for the time they take.
    without: tuple[str, ...] = ()


SETS = {
    'toyworld': Set('city', 'selftrain_teacher_toyworld', 'selftrain_toyworld', 'toyworld_atlas',
                    'atlas', 'toyworld/atlas/images/train', 1.0, (0.75, 1.5), (1.0, 1.5), 600,
                    (1, 2, None)),
    'realbench': Set('camvid11', 'selftrain_teacher_realbench', 'selftrain_realbench',
                     'labelmefacade8', 'labelmefacade8', 'labelmefacade8/images/train',
                     0.5, (0.3, 0.7), (0.5, 0.75), 600, (2, 10),
                     ('ycor8', 'mumbai_aerial6'), ('second loop, 1:3',))}
#: Side of the images of ToyWorld, how many have labels, and how many of each view are written.
IMAGE, REAL, WRITTEN = 96, 8, 300
#: Sides of crops; without a schedule the largest.
SIZES = (32, 40, 48, 56, 64)
#: Share of the images of the real dataset that have labels.
SHARE = 1 / 24
BACKBONE, BACKBONE_ITERS = 'backbone', 2000
CENTROIDS, RANDOM = 'around objects', 'at random'


class Row(NamedTuple):
    """What a network is trained on."""

    #: Pseudo labels per real one; 0: real labels alone.
    ratio: int = 0
    crops: str = CENTROIDS
    soft: bool = False
    #: Kind of the crop schedule.
    schedule: str | None = None
    #: Share of the run that is pretraining on pseudo labels alone.
    pretrain: float = 0.0
    #: The teacher of its pseudo labels, or the row of another student.
    taught_by: str = 'teacher'
    #: Share of the pixels of each class that have labels, the most confident ones.
    portion: float | None = None
    #: What is labelled: ``pool``, or the images of the new domain.
    labelled: str = 'pool'
    #: Iterations in those of the teacher.
    length: float = 1.0
    #: Whether all images of the dataset have their real labels.
    all_labels: bool = False


STUDENTS = {f'student 1:{k}, crops {crops}': Row(k, crops)
            for k in (1, 3, 7) for crops in (RANDOM, CENTROIDS)}
BEST = f'student 1:3, crops {CENTROIDS}'
SURE = f'the surest half of each class, 1:3, crops {CENTROIDS}'
PRETRAINED = 'pretrained on pseudo labels, then fine-tuned'
ROWS = {
    'teacher': Row(),
    'real labels taken twice': Row(length=2.0),
    'real labels of all images': Row(all_labels=True),
    **STUDENTS,
    'soft labels, 1:3': Row(3, soft=True),
    PRETRAINED: Row(3, pretrain=0.75),
    'second loop, 1:3': Row(3, taught_by=BEST),
    f'{BEST}, twice as long': Row(3, length=2.0),
    f'{PRETRAINED}, twice as long': Row(3, pretrain=0.75, length=2.0),
    f'{SURE}, twice as long': Row(3, portion=0.5, length=2.0),
    **{f'{kind}, 1:3': Row(3, schedule=kind)
       for kind in ('coarse2fine', 'fine2coarse', 'coarse2fine+', 'fine2coarse+')},
    'student of the new domain': Row(3, labelled='target'),
}
#: Rows of the tables.
TABLES = {
    'Pseudo labels and their crops (Table 2)': [
        'teacher', 'real labels taken twice', *STUDENTS, 'real labels of all images'],
    'Soft labels, pretraining, a second loop (Tables 7 to 9)': [
        'teacher', BEST, 'soft labels, 1:3', PRETRAINED, 'second loop, 1:3'],
    'Twice as long (Table 2)': [
        'real labels taken twice', f'{BEST}, twice as long', f'{SURE}, twice as long',
        f'{PRETRAINED}, twice as long'],
    'Fast schedules (Table 4)': [BEST, *(f'{kind}, 1:3' for kind in (
        'coarse2fine', 'fine2coarse', 'coarse2fine+', 'fine2coarse+'))]}
#: What fine-tuning on the new domain begins with.
STARTS = ('no teacher', 'teacher', 'student of the new domain')
#: Set, name and seed of what one process trains.
Run = tuple[str, str, int]


def runs_of(which: str, seeds: Sequence[int]) -> list[Run]:
    """Return all runs of a set, those first that others need."""
    few = [f'few|{start}|{shots or "all"}' for start in STARTS for shots in SETS[which].shots]
    backbone = [(which, BACKBONE, 0)] if SETS[which].before else []
    rows = [name for name in ROWS if name not in SETS[which].without]
    return [*backbone, *((which, name, seed) for name in [*rows, *few] for seed in seeds)]


def needs(run: Run) -> list[Run]:
    """Return the runs whose networks or labels a run begins with."""
    which, name, seed = run
    if name == BACKBONE:
        return []
    found = [(which, BACKBONE, 0)] if SETS[which].before else []
    if name not in ROWS:
        start = name.split('|')[1]
        return found if start == 'no teacher' else [*found, (which, start, seed)]
    row = ROWS[name]
    if row.ratio:
        found.append((which, row.taught_by, seed))
    return found
