"""Self-training goes on where it stopped, or says why not."""

import json
import shutil

import pytest
from mmengine.runner import Runner

from mmseg_multids.apis import self_training, training_stage
from mmseg_multids.apis.pseudo_writing import LabelImages
from mmseg_multids.datasets.centroids import CentroidIndex

from .selftraining import CITY, COUNT, PSEUDO, assert_same_weights, begun, student, times


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
