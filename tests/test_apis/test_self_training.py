"""All stages of self-training, and how they go on."""

import copy
import gc
import json
import os
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
from mmseg_multids.apis.pseudo_writing import LabelImages
from mmseg_multids.apis.trained import build_segmentor
from mmseg_multids.datasets.centroids import CentroidIndex
from mmseg_multids.datasets.pseudo_folder import PseudoLabelFolder

from ..processes import in_two_processes
from .selftraining import CITY, COUNT, PSEUDO, begun, place, student, training

ASIA = {**CITY, 'name': 'asia', 'view': 'asia'}


@pytest.fixture(scope='module')
def here(tmp_path_factory):
    """Images without labels and the teacher's config."""
    folder = tmp_path_factory.mktemp('self_training')
    place(folder)
    return folder


@pytest.fixture(scope='module')
def whole(here):
    """A run of two loops."""
    run = begun(student(here), here / 'run')
    run.run(2)
    return run


@pytest.fixture(scope='module')
def teacher(here):
    """A checkpoint of the teacher's config that nobody trained."""
    torch.manual_seed(1)
    torch.save({'state_dict': build_segmentor(training([CITY])).state_dict()}, here / 'given.pth')
    return str(here / 'given.pth')


@pytest.fixture(scope='module')
def taught(here, teacher):
    """A run with a given teacher, and its student."""
    run = begun(student(here), here / 'taught', teacher)
    return run, run.run()[0]


def state(path) -> dict:
    return torch.load(path, map_location='cpu', weights_only=False)['state_dict']


def assert_same_weights(one, other):
    first, second = state(one), state(other)
    assert list(first) == list(second)
    for key in first:
        assert torch.equal(first[key], second[key]), key


def times(folder: Path) -> dict:
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob('*')
            if path.is_file() and path.name != 'self_training.json'}


def scalars(folder: Path) -> list[dict]:
    path, = folder.rglob('scalars.json')
    return [json.loads(line) for line in path.read_text().splitlines()]


def manifest(folder: Path) -> dict:
    return PseudoLabelFolder(folder / 'pseudo_labels').read_manifest()


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


def test_the_same_call_again_does_nothing(whole, here, monkeypatch):
    before = times(whole.root)
    monkeypatch.setattr(Runner, 'train', lambda _: pytest.fail('it trains'))
    monkeypatch.setattr(self_training, 'load_trained', lambda *_: pytest.fail('it labels'))
    monkeypatch.setattr(CentroidIndex, 'save', lambda *_: pytest.fail('it finds objects'))
    said = []
    assert begun(student(here), whole.root, say=said.append).run(2) == whole.stages
    assert times(whole.root) == before
    assert all('done before' in line for line in said) and len(said) == 7
    # Not even where the config runs, logs, loads, validates and what it calls its parts.
    cfg = student(here)
    cfg.merge_from_dict({
        'log_level': 'WARNING', 'train_dataloader.pin_memory': True, 'something': 3,
        'default_hooks.checkpoint.interval': 2, 'train_cfg.val_interval': 1, 'vis_backends': [],
        'train_dataloader.dataset.datasets': [CITY, {**PSEUDO, 'folder': 'elsewhere'}],
        'model.test_cfg.mode': 'whole'})
    assert begun(cfg, whole.root).run(2) == whole.stages


def test_a_moved_run_goes_on(whole, here, tmp_path, monkeypatch):
    shutil.copytree(whole.root, tmp_path / 'moved')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Runner, 'train', lambda _: pytest.fail('it trains'))
    assert [s.metrics for s in begun(student(here), 'moved').run(2)] == [
        s.metrics for s in whole.stages]


class Stop(Exception):
    """What ends a run in these tests."""


def stop_training(patch, folder: str, at, stages=training_stage):
    """Let a hook raise: before or after an iteration, or in the validation at the end."""
    class Watch(stages._LastValidation):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            self._stop(runner, f'before {batch_idx}')

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            self._stop(runner, f'after {batch_idx}')

        def before_val_epoch(self, runner):
            self._stop(runner, 'validation')

        def _stop(self, runner, what):
            if runner.work_dir.endswith(folder) and what == at:
                raise Stop

    patch.setattr(stages, '_LastValidation', Watch)


def stop_labelling(patch, loop: str):
    label = LabelImages.__call__

    def raising(self, index):
        if index == 1 and loop in str(self.folder.path):
            raise Stop
        label(self, index)

    patch.setattr(LabelImages, '__call__', raising)


def stop_objects(patch, loop: str):
    def save(self, path):
        raise Stop

    patch.setattr(CentroidIndex, 'save', save)


def test_a_run_stopped_in_each_stage_ends_as_an_uninterrupted_one(whole, here, tmp_path):
    root, said = tmp_path / 'run', []
    for stop, where, *at in [
            (stop_training, 'teacher', 'before 0'), (stop_training, 'teacher', 'after 0'),
            (stop_training, 'teacher', 'validation'), (stop_labelling, 'loop1'),
            (stop_objects, 'loop1'), (stop_training, 'loop1/student', 'after 1'),
            (stop_training, 'loop1/student', 'validation'), (stop_labelling, 'loop2'),
            (stop_training, 'loop2/student', 'after 2')]:
        with pytest.MonkeyPatch.context() as patch:
            stop(patch, where, *at)
            with pytest.raises(Stop):
                begun(student(here), root, say=said.append).run(2)
            assert said[-1].endswith('stopped; the same call again goes on from here')
            stages = [line.split(':')[0] for line in said if line.endswith('from here')]
    assert stages == ['teacher'] * 3 + ['pseudo labels 1', 'centroids 1', 'student 1', 'student 1',
                                        'pseudo labels 2', 'student 2']
    assert len(list((root / 'loop2' / 'pseudo_labels' / 'labels').iterdir())) == COUNT
    found = begun(student(here), root).run(2)
    for stage, expected in zip(found, whole.stages):
        assert_same_weights(stage.checkpoint, expected.checkpoint)
        assert stage.metrics == expected.metrics  # also where validation was cut off
    for loop in ('loop1', 'loop2'):
        for name in (f'{i:06d}.png' for i in range(COUNT)):
            assert (root / loop / 'pseudo_labels/labels' / name).read_bytes() == (
                whole.root / loop / 'pseudo_labels/labels' / name).read_bytes()


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


def test_images_that_cannot_be_read_are_named_and_tried_again(here, teacher, tmp_path):
    folder = shutil.copytree(here / 'images/city/images/train', tmp_path / 'images')
    good = (folder / '000001.png').read_bytes()
    (folder / '000001.png').write_bytes(b'no image')
    said = []
    with pytest.MonkeyPatch.context() as patch:
        stop_objects(patch, 'loop1')
        with pytest.raises(Stop):
            begun(student(here, images=[str(folder)]), tmp_path, teacher, say=said.append).run()
    assert any('1 image(s) could not be read' in line for line in said)
    run = begun(student(here, images=[str(folder)]), tmp_path, teacher)
    run.run()
    assert list(run.unreadable) == [1] and list(run.unreadable[1]) == ['000001.png']
    summary = json.loads((tmp_path / 'self_training.json').read_text())
    assert '000001.png' in summary['unreadable_images']['1']
    # The student is trained: a later call takes what it was trained on, mended or not.
    (folder / '000001.png').write_bytes(good)
    again = begun(student(here, images=[str(folder)]), tmp_path, teacher)
    assert again.run() == run.stages and again.unreadable == run.unreadable
    # Before that they are tried again.
    shutil.rmtree(tmp_path / 'loop1' / 'student')
    again = begun(student(here, images=[str(folder)]), tmp_path, teacher)
    again.run()
    assert not again.unreadable
    assert len(CentroidIndex.load(tmp_path / 'loop1' / 'centroids.npz').names) == COUNT


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


@pytest.mark.parametrize('given', ['toys/train', ['toys/train'], ['toys/train/000000.png']])
@pytest.mark.parametrize('place_of', ['variable', 'data', 'itself'])
def test_where_images_are_looked_for(here, tmp_path, monkeypatch, given, place_of):
    below = {'variable': 'all', 'data': 'data', 'itself': '.'}[place_of]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('MULTIDS_DATA_ROOT', raising=False)
    if place_of == 'variable':
        monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path / 'all'))
    shutil.copytree(here / 'images/city/images/train', tmp_path / below / 'toys' / 'train')
    images = begun(student(here, images=given), tmp_path / 'run').settings.images
    assert len(images) == (1 if 'png' in given[0] else COUNT)
    assert os.path.samefile(images.path(0), tmp_path / below / 'toys/train/000000.png')


def files_of_city(here) -> dict:
    """An entry of the images as files, with labels."""
    classes = list(build_segmentor(training([CITY])).space_of('city').classes)
    return {'name': 'files', 'type': 'BaseSegDataset', 'metainfo': {'classes': classes},
            'data_root': str(here / 'images' / 'city'), 'img_suffix': '.png',
            'seg_map_suffix': '.png',
            'data_prefix': {'img_path': 'images/train', 'seg_map_path': 'labels/train'}}


def test_images_of_a_dataset_of_either_config(here):
    cfg = student(here, images={'dataset': 'files'})
    cfg.test_dataloader = copy.deepcopy(cfg.val_dataloader)
    cfg.test_dataloader.dataset.datasets = [files_of_city(here)]
    cfg.test_dataloader.dataset.pop('split')
    images = begun(cfg, here / 'unused').settings.images
    assert images.dataset == 'files' and len(images) == COUNT and images.label_maps is None
    with pytest.raises(ValueError, match="^self_training.images of .*no dataset 'moon'; its"):
        begun(student(here, images={'dataset': 'moon'}), here / 'unused')


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


@pytest.mark.parametrize(('change', 'words'), [
    (lambda c: c.train_dataloader.update(batch_size=4),
     r'^student 1: .*config.train_dataloader.batch_size was 2, and is 4 now; remove'),
    (lambda c: c.train_cfg.update(max_iters=9), 'config.train_cfg.max_iters was 3, and is 9'),
    (lambda c: c.model.update(mixing={'region': 0.5}), 'config.model.mixing is .* now, and was'),
    (lambda c: c.self_training.update(labels={'flip': False}), '^pseudo labels 1: .* flip was'),
    (lambda c: c.self_training.update(centroids={'point': 'inside'}), '^student 1: .*centroids'),
])
def test_other_settings_in_a_finished_folder_are_refused(whole, here, tmp_path, change, words):
    root = shutil.copytree(whole.root, tmp_path / 'run')
    cfg = student(here)
    change(cfg)
    with pytest.raises(ValueError, match=words):
        begun(cfg, root).run()


def test_another_seed_or_a_begun_stage_of_another_config_is_refused(whole, here, tmp_path):
    with pytest.raises(ValueError, match=r'^teacher: .*config.randomness.seed was 3, and is 4'):
        begun(student(here), whole.root, seed=4).run()
    root = shutil.copytree(whole.root / 'teacher', tmp_path / 'run' / 'teacher').parent
    (root / 'teacher' / 'finished.json').unlink()
    with pytest.raises(ValueError, match=r'^teacher: .*seed was 3, and is 4'):
        begun(student(here), root, seed=4).run()
    # Nothing was lost yet where there is no checkpoint.
    (root / 'teacher' / 'last_checkpoint').unlink()
    with pytest.MonkeyPatch.context() as patch:
        stop_training(patch, 'teacher', 'before 0')
        with pytest.raises(Stop):
            begun(student(here), root, seed=4).run()
    (whole.root / 'teacher' / 'iter_2.pth').rename(root / 'kept.pth')
    try:
        with pytest.raises(FileNotFoundError, match='the teacher, does not exist any more; put it'):
            begun(student(here), whole.root).run()
    finally:
        (root / 'kept.pth').rename(whole.root / 'teacher' / 'iter_2.pth')


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


@pytest.mark.parametrize(('own', 'words'), [
    ({'teacher': None}, "needs 'teacher'"),
    ({'images': []}, "needs 'images'"),
    ({'student': 'x'}, "has no key 'student'; allowed: teacher, images"),
    ({'dataset': 'moon'}, "needs the PseudoLabelDataset 'moon' .*; there are: pseudo"),
    ({'labels': {'scale': 2}}, "self_training.labels of .* has no key 'scale'; allowed: label_sp"),
    ({'labels': {'scales': [0]}}, 'scales=.*: factors above 0'),
    ({'labels': {'complete': True}}, 'needs the images of a dataset'),
    ({'centroids': {'points': 1}}, "self_training.centroids of .* has no key 'points'"),
    ({'centroids': {'point': 'middle'}}, "self_training.centroids of .*'middle'"),
    ({'images': {'split': 'val'}}, "self_training.images of .*'dataset' is missing"),
    ({'images': {'name': 'city'}}, "has no key 'name'; allowed: dataset, split"),
])
def test_keys_that_cannot_be_are_refused_at_once(here, tmp_path, own, words):
    with pytest.raises(ValueError, match=words):
        begun(student(here, **own), tmp_path / 'run')
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(('change', 'words'), [
    (lambda c: c.model.decode_head.update(dataset_weights={'pseudos': 0.5}),
     "dataset_weights names 'pseudos'.*known: city, pseudo"),
    (lambda c: c.train_dataloader.sampler.plan.ratio.update(pseudo=0),
     "every dataset needs a weight above 0, got {.*'pseudo': 0}; the datasets: city, pseudo"),
    (lambda c: c.train_dataloader.sampler.update(crop_size={'town': (8, 8)}),
     "crop_size names 'town'"),
    (lambda c: c.train_dataloader.sampler.centroids.update(town='x.npz'), "centroids names 'town'"),
    (lambda c: c.train_dataloader.update(batch_sampler={'epoch_of': {'town': 1}}),
     "epoch_of names 'town'"),
])
def test_a_student_that_cannot_be_trained_is_refused_before_the_teacher_is(
        here, tmp_path, change, words):
    cfg = student(here)
    change(cfg)
    with pytest.raises(ValueError, match='^student 1: .*' + words):
        begun(cfg, tmp_path / 'run').run()
    assert not (tmp_path / 'run' / 'teacher').exists()


def test_what_is_missing_is_named(here, tmp_path):
    cfg = student(here)
    for change, kind, words in (
            (lambda c: c.pop('self_training'), ValueError, r'has no `self_training = dict'),
            (lambda c: c.train_dataloader.dataset.update(datasets=[CITY]), ValueError,
             'PseudoLabelDataset among .*; there are: none'),
            (lambda c: c.pop('train_dataloader'), ValueError, 'needs train_dataloader.dataset.dat'),
            (lambda c: c.train_dataloader.dataset.datasets[1].update(soft=True), ValueError,
             "'pseudo' .* has soft=True, so self_training.labels needs soft=K"),
            (lambda c: c.self_training.update(teacher='moon.py'), FileNotFoundError,
             'self_training.teacher of .*moon.py does not exist'),
            (lambda c: c.self_training.update(finetune='moon.py'), FileNotFoundError,
             'self_training.finetune of .*moon.py does not exist'),
            (lambda c: c.self_training.update(images='moon'), FileNotFoundError,
             'self_training.images of .*moon')):
        other = copy.deepcopy(cfg)
        change(other)
        with pytest.raises(kind, match=words):
            begun(other, tmp_path)
    with pytest.raises(FileNotFoundError, match='checkpoint moon.pth of the teacher does not'):
        begun(cfg, tmp_path, 'moon.pth')
    with pytest.raises(ValueError, match='workers=-1'):
        begun(cfg, tmp_path, workers=-1)
    with pytest.raises(ValueError, match='loops=0: at least 1'):
        begun(cfg, tmp_path).run(0)
    assert list(tmp_path.iterdir()) == []


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
