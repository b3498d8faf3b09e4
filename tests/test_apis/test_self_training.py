"""All stages of self-training."""

import copy
import gc
import json
import shutil
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from PIL import Image

from mmseg_multids.apis import self_training, training_stage
from mmseg_multids.apis.launch import prepare_cpu_distributed
from mmseg_multids.apis.trained import build_segmentor
from mmseg_multids.datasets.centroids import CentroidIndex

from ..processes import in_two_processes
from .selftraining import (
    CITY,
    COUNT,
    PSEUDO,
    assert_same_weights,
    begun,
    manifest,
    scalars,
    state,
    student,
    training,
)

ASIA = {**CITY, 'name': 'asia', 'view': 'asia'}


def test_all_stages_leave_their_files(whole):
    root = whole.root
    assert [(s.name, Path(s.checkpoint).relative_to(root).as_posix()) for s in whole.stages] == [
        ('teacher', 'teacher/iter_2.pth'), ('student 1', 'loop1/student/iter_3.pth'),
        ('student 2', 'loop2/student/iter_3.pth')]
    for loop in ('loop1', 'loop2'):
        labels = sorted(p.name for p in (root / loop / 'pseudo_labels' / 'labels').iterdir())
        assert labels == [f'{i:06d}.png' for i in range(COUNT)]
        index = CentroidIndex.load(root / loop / 'centroids.npz')
        assert len(index.names) == COUNT and index.settings['point'] == 'mean'
    for stage in whole.stages:
        folder = Path(stage.checkpoint).parent
        # Each has the curves of its own training, and a validation.
        assert any('city/mIoU' in line for line in scalars(folder)), stage.name
        assert 0 <= stage.metrics['city/mIoU'] <= 100
    summary = json.loads((root / 'self_training.json').read_text())
    assert [s['checkpoint'] for s in summary['stages']] == [
        'teacher/iter_2.pth', 'loop1/student/iter_3.pth', 'loop2/student/iter_3.pth']
    assert summary['stages'][1]['metrics'] == whole.stages[1].metrics
    assert summary['unreadable_images'] == {}


def test_each_student_has_its_loops_labels_and_teacher(whole):
    for loop, before in ((1, whole.stages[0]), (2, whole.stages[1])):
        folder = whole.root / f'loop{loop}'
        assert manifest(folder)['checkpoint_sha256'] == self_training.sha256_of(before.checkpoint)
        assert manifest(folder)['settings']['flip'] and manifest(folder)['target'] == 'city'
        cfg, = (folder / 'student').glob('*/vis_data/config.py')
        text = cfg.read_text()
        assert str(folder / 'pseudo_labels') in text and str(folder / 'centroids.npz') in text
        assert 'nowhere' not in text.split('self_training')[0]


def test_a_given_teacher(here, taught, tmp_path):
    run, stage = taught
    assert stage.name == 'student 1' and run.stages == [stage]
    assert not (run.root / 'teacher').exists()
    assert manifest(run.root / 'loop1')['checkpoint_sha256'] == self_training.sha256_of(run.teacher)
    # Another teacher would have given other labels.
    shutil.copytree(run.root / 'loop1', tmp_path / 'loop1')
    other = tmp_path / 'other.pth'
    torch.save({'state_dict': build_segmentor(training([CITY])).state_dict()}, other)
    with pytest.raises(ValueError, match='^pseudo labels 1: .* was made with something else: the '
                                         'checkpoint had'):
        begun(student(here), tmp_path, str(other)).run()
    shutil.rmtree(tmp_path / 'loop1' / 'pseudo_labels')
    with pytest.raises(ValueError, match='^student 1: .* of other files: pseudo_labels was '):
        begun(student(here), tmp_path, str(other)).run()


def test_pretraining_on_pseudo_labels_alone_then_fine_tuning(here, teacher, tmp_path):
    """Table 8's alternative."""
    tuning = training([CITY], iters=1)
    tuning.optim_wrapper.optimizer.lr = 0.0
    tuning.dump(tmp_path / 'tuning.py')
    cfg = student(here, finetune=str(tmp_path / 'tuning.py'))
    cfg.train_dataloader.dataset.datasets = [copy.deepcopy(PSEUDO)]
    cfg.train_dataloader.sampler.plan = {'type': 'concat'}
    stages = begun(cfg, tmp_path / 'run', teacher).run(2)
    assert [s.name for s in stages] == ['student 1', 'student 1, fine-tuned', 'student 2',
                                        'student 2, fine-tuned']
    # Without a learning rate what was loaded stays; batch norms count on.
    first, tuned = state(stages[0].checkpoint), state(stages[1].checkpoint)
    kept = [key for key in first if key.endswith(('weight', 'bias'))]
    assert len(kept) > 20 and all(torch.equal(first[key], tuned[key]) for key in kept)
    assert self_training.sha256_of(stages[1].checkpoint) == manifest(
        tmp_path / 'run' / 'loop2')['checkpoint_sha256']
    # A network that only a part of the weights fits is refused, not filled up at random.
    tuning.model.backbone.base_channels = 4
    tuning.model.decode_head.head.in_channels = 32
    tuning.dump(tmp_path / 'tuning.py')
    shutil.rmtree(tmp_path / 'run' / 'loop2')
    shutil.rmtree(tmp_path / 'run' / 'loop1' / 'finetuned')
    with pytest.raises(ValueError, match='^student 1, fine-tuned: checkpoint .* does not fit'):
        begun(cfg, tmp_path / 'run', teacher).run(2)


def test_fine_tuning_on_other_classes_takes_finetune_from(here, teacher, tmp_path):
    tuning = training([ASIA], iters=1)
    tuning.optim_wrapper.optimizer.lr = 0.0
    tuning.model.update(finetune_from='old.pth', finetune_classifier='by_name')
    tuning.dump(tmp_path / 'tuning.py')
    first, tuned = begun(student(here, finetune=str(tmp_path / 'tuning.py')), tmp_path / 'run',
                         teacher).run()
    assert torch.equal(state(first.checkpoint)['backbone.conv1.weight'],
                       state(tuned.checkpoint)['backbone.conv1.weight'])


def test_soft_labels(here, taught, tmp_path):
    cfg = student(here, labels={'flip': True, 'soft': 2})
    for datasets in (cfg.model.datasets, cfg.train_dataloader.dataset.datasets):
        datasets[1].soft = True
    stages = begun(cfg, tmp_path, taught[0].teacher).run()
    with np.load(tmp_path / 'loop1/pseudo_labels/soft/000000.npz') as stored:
        assert stored['scores'].shape == (2, 32, 32)
    keys = [k for k, v in state(taught[1].checkpoint).items()
            if not torch.equal(v, state(stages[0].checkpoint)[k])]
    assert keys  # the student learned from the scores


def test_no_image_can_be_read(here, teacher, tmp_path):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images' / 'a.png').write_bytes(b'no image')
    with pytest.raises(ValueError, match='^pseudo labels 1: none of the 1 images could be read'):
        begun(student(here, images=str(tmp_path / 'images')), tmp_path / 'run', teacher).run()


def test_labels_without_a_pixel_train_nobody(here, teacher, tmp_path):
    said = []
    with pytest.raises(ValueError, match='^pseudo labels 1: no pixel of .* the surest class, .* a '
                                         'mean confidence of 0.* A lower threshold'):
        begun(student(here, labels={'threshold': 1.0}), tmp_path, teacher, say=said.append).run()
    assert any('no pixel of' in line for line in said)
    assert not (tmp_path / 'loop1' / 'student').exists()


def two_datasets(here, tmp_path, **own):
    training([ASIA, CITY]).dump(tmp_path / 'both.py')
    torch.manual_seed(1)
    torch.save({'state_dict': build_segmentor(training([ASIA, CITY])).state_dict()},
               tmp_path / 'both.pth')
    return student(here, teacher=str(tmp_path / 'both.py'), **own)


def test_a_teacher_of_several_datasets(here, tmp_path):
    cfg = two_datasets(here, tmp_path)
    cfg.val_dataloader.dataset.datasets = [CITY]
    stages = begun(cfg, tmp_path / 'run', str(tmp_path / 'both.pth')).run()
    assert manifest(tmp_path / 'run' / 'loop1')['target'] == 'city'
    assert stages[0].metrics['city/mIoU'] >= 0
    # Whose labels they are must be said, and be those that the student has.
    for changes, words in (
            ({'labels_of': None, 'metainfo': {'classes': ['a', 'b']}},
             'the teacher predicts asia, city: say in whose classes'),
            ({'labels_of': 'asia'}, 'labels_of')):
        other = copy.deepcopy(cfg)
        for datasets in (other.model.datasets, other.train_dataloader.dataset.datasets):
            datasets[1].update(changes)
        with pytest.raises(ValueError, match=words):
            begun(other, tmp_path / 'other', str(tmp_path / 'both.pth')).run()
    own = two_datasets(here, tmp_path, labels={'label_space': 'asia'})
    with pytest.raises(ValueError, match=r"takes 'pseudo' for labels of 18 classes .* 'asia' "):
        begun(own, tmp_path / 'other').run()
    assert not (tmp_path / 'other').exists()  # before the teacher is trained


@pytest.mark.parametrize('checkpoints', [
    {'interval': 2, 'save_last': False}, {'interval': 100, 'save_last': False}])
def test_the_last_weights_are_taken_whatever_is_saved(here, whole, tmp_path, checkpoints):
    """A student of 3 iterations; with ``interval=2`` there would be those of the second."""
    cfg = student(here)
    cfg.default_hooks.checkpoint = {'type': 'CheckpointHook', 'by_epoch': False, **checkpoints}
    for key in ('val_dataloader', 'val_evaluator', 'val_cfg'):
        cfg.pop(key)
    stage, = begun(cfg, tmp_path, whole.stages[0].checkpoint).run()
    assert_same_weights(stage.checkpoint, whole.stages[1].checkpoint)
    finished = json.loads((tmp_path / 'loop1/student/finished.json').read_text())
    assert finished['metrics'] == {} == stage.metrics
    assert training_stage.say_metrics(stage.metrics) == 'not validated'
    assert begun(cfg, tmp_path, whole.stages[0].checkpoint).run() == [stage]


def test_networks_are_freed_before_the_next_stage(here, tmp_path, monkeypatch):
    alive, label, train = [], self_training.load_trained, Runner.train

    def watched(runner):
        gc.disable()  # a collection must not come by chance
        assert not any(model() for model in alive)
        alive.append(weakref.ref(runner.model))
        return train(runner)

    def loading(*args):
        assert not any(model() for model in alive)
        found = label(*args)
        alive.append(weakref.ref(found.model))
        return found

    monkeypatch.setattr(Runner, 'train', watched)
    monkeypatch.setattr(self_training, 'load_trained', loading)
    try:
        begun(student(here), tmp_path).run()
    finally:
        gc.enable()
    assert len(alive) == 3


def test_a_table_of_several_datasets():
    stages = [training_stage.Stage('teacher', 'a.pth', {'city/mIoU': 1.234, 'city/aAcc': 50.0,
                                                        'mean/mIoU': 1.234}, 90),
              training_stage.Stage('student 1', 'b.pth', {'city/mIoU': 2.0, 'asia/mIoU': 4.0,
                                                          'mean/mIoU': 3.0}, 61),
              training_stage.Stage('student 2', 'c.pth', {}, 0)]
    rows = [[cell.strip() for cell in line.strip('|').split('|')]
            for line in training_stage.format_stages(stages).splitlines() if line[0] == '|'][1:]
    assert rows == [['stage', 'city', 'asia', 'mean', 'minutes', 'checkpoint'],
                    ['teacher', '1.23', '-', '-', '1.5', 'a.pth'],
                    ['student 1', '2.00', '4.00', '3.00', '1.0', 'b.pth'],
                    ['student 2', '-', '-', '-', '0.0', 'c.pth']]
    assert training_stage.say_metrics({'mIoU': 12.345}) == 'mIoU 12.35'  # MMSegmentation's own
    assert training_stage.as_json({'a': float('nan'), 'b': 1.0}) == {'a': None, 'b': 1.0}


def part(rank: int, folder: str, teacher: str) -> dict:
    """What both processes do: fail in the first one alone, go on, do nothing."""
    from yapf.yapflib import yapf_api
    yapf_api.FormatCode = lambda text, **_: (text, True)
    here, cfg = Path(folder), student(Path(folder))
    cfg.launcher = 'pytorch'
    prepare_cpu_distributed(cfg)
    root, save, said = here / 'two', CentroidIndex.save, []

    def failing(self, path):
        raise ValueError('no objects today')

    CentroidIndex.save = failing
    try:
        begun(cfg, root, teacher).run()
        failed = ''
    except ValueError as error:
        failed = str(error)
    CentroidIndex.save = save
    first = begun(cfg, root, teacher, say=said.append).run()
    again = begun(cfg, root, teacher).run()
    return {'failed': failed, 'again': again == first, 'said': len(said),
            'stages': [(s.name, s.checkpoint, s.metrics) for s in first]}


def test_two_processes(here, whole):
    results = in_two_processes(part, str(here), whole.stages[0].checkpoint, timeout=120)
    for rank, result in enumerate(results):
        assert result['failed'] == 'centroids 1: no objects today' and result['again']
        assert (result['said'] > 0) == (rank == 0)
    assert results[0]['stages'] == results[1]['stages']
    (name, checkpoint, metrics), = results[0]['stages']
    assert (name, Path(checkpoint)) == ('student 1', here / 'two/loop1/student/iter_3.pth')
    assert set(metrics) == set(whole.stages[1].metrics)
    for i in range(COUNT):  # by the same teacher
        one, two = (np.array(Image.open(root / 'loop1/pseudo_labels/labels' / f'{i:06d}.png'))
                    for root in (whole.root, here / 'two'))
        assert np.array_equal(one, two)
