"""The configs of self-training's students, with pseudo labels of a tiny teacher."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from PIL import Image

from mmseg_multids.apis.build_centroids import labelled_images
from mmseg_multids.apis.self_training import SelfTraining
from mmseg_multids.datasets.crop_schedules import CropSchedule
from mmseg_multids.registry import MODELS

from ..miniature import make_all
from .test_self_training import FOLDER, NARROW, OHEM, SMALL, config, network_of, teacher

STUDENTS = {f'selftrain_student_{network}_cityscapes': True for network in NARROW}
#: Whether OHEM is used; sections 4.2 and 4.5.
STUDENTS.update({'selftrain_student_x50_cityscapes_soft': True,
                 'selftrain_student_x50_to_mapillary': False,
                 'selftrain_student_x50_to_bdd100k': False})
PRETRAINED = 'selftrain_pretrain_x50_cityscapes'
TARGETS = {'selftrain_student_x50_to_mapillary': ['mapillary/training/images'],
           'selftrain_student_x50_to_bdd100k': ['bdd100k/images/10k/train']}
IMAGES = ['cityscapes/leftImg8bit/train_extra', 'mapillary/training/images']


@pytest.mark.parametrize('name', STUDENTS)
def test_the_settings_of_the_paper(name, tmp_path, monkeypatch):
    cfg = config(name)
    own = config(f'selftrain_teacher_{network_of(name)}_cityscapes')
    for key in ('optim_wrapper', 'param_scheduler', 'sync_bn'):
        assert cfg[key] == own[key]
    assert cfg.model.backbone == own.model.backbone
    assert cfg.model.decode_head.head == own.model.decode_head.head
    assert cfg.model.decode_head.get('sampler') == (OHEM if STUDENTS[name] else None)
    loader = cfg.train_dataloader
    assert loader.batch_size == 16
    assert loader.sampler.plan == {'type': 'ratio',
                                   'ratio': {'cityscapes': 1, 'cityscapes_pseudo': 7}}
    assert loader.batch_sampler == {
        'type': 'CropScheduleBatchSampler', 'kind': 'constant', 'epochs': 180, 'warmup_epochs': 20,
        'sizes': (400, 480, 560, 640, 720, 800), 'epoch_of': {'cityscapes': 0.5}}
    made = cfg.self_training
    assert made.images == TARGETS.get(name, IMAGES) and made.centroids == {'point': 'mean'}
    assert made.labels.scales == (0.5, 1.0, 2.0) and made.labels.flip
    # Students of other labels have their own; the others share those of the first one.
    run = name if name in TARGETS or name.endswith('soft') else 'selftrain_student_x50_cityscapes'
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    for i, images in enumerate(made.images):
        (tmp_path / images).mkdir(parents=True)
        (tmp_path / images / f'{i}.png').write_bytes(b'')
    settings = SelfTraining(cfg_in(cfg, tmp_path / 'run')).settings
    assert settings.dataset == 'cityscapes_pseudo' and len(settings.images) == len(made.images)
    entry = cfg.datasets[1]
    folder = entry.get('folder') or entry.extends.folder
    assert folder == f'work_dirs/{run}/loop1/pseudo_labels'
    assert loader.sampler.centroids == {
        'cityscapes_pseudo': f'work_dirs/{run}/loop1/centroids.npz'}


def cfg_in(cfg, folder):
    cfg.work_dir = str(folder)
    return cfg


def test_fine_tuning_starts_from_the_end_of_a_student():
    """2975 images: half of them, and 7 pseudo labels for each, in 180 epochs of batches of 16."""
    iterations = CropSchedule('constant', (800,), 180, round(2975 / 2 * 8), 16).iterations
    for path in FOLDER.glob('finetune_*.py'):
        donor = config(path.stem).model.get('finetune_from')
        assert donor is None or donor.endswith(f'iter_{iterations}.pth'), path
    tuned = config('finetune_x50_cityscapes')  # Table 8
    assert tuned.optim_wrapper.optimizer.lr == 0.002
    assert tuned.model == config('selftrain_teacher_x50_cityscapes').model
    assert config(PRETRAINED).self_training.finetune == 'finetune_x50_cityscapes.py'


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """The first student's whole run on miniature trees."""
    folder = tmp_path_factory.mktemp('students')
    images = make_all(folder / 'data', 3, ('cityscapes', 'mapillary')) / 'cityscapes/leftImg8bit'
    shutil.copytree(images / 'train', images / 'train_extra')
    teacher('x50', folder)
    cfg = small('selftrain_student_x50_cityscapes')
    cfg.self_training.labels.update(soft=4, scales=(1.0,))  # soft for that student
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MULTIDS_DATA_ROOT', str(folder / 'data'))
        training = SelfTraining(cfg_in(cfg, folder / 'run'), str(folder / 'teacher.pth'))
        training.settings.teacher_cfg.merge_from_dict(NARROW['x50'])
        training.stages = training.run()
        yield training


def small(name, **changes):
    cfg = config(name)
    cfg.merge_from_dict({**SMALL, **NARROW[network_of(name)], 'train_cfg.val_begin': 10 ** 9,
                         'custom_hooks': [], 'visualizer.name': name, 'experiment_name': name,
                         **changes})
    return cfg


def student(run, name, **changes):
    """A student's runner with the labels of the run."""
    own = SelfTraining(cfg_in(small(name, **changes), run.root / name))
    return Runner.from_cfg(own.settings.student_config(run.root / 'loop1'))


def test_a_student_learns_from_real_and_pseudo_labels(run):
    stage, = run.stages
    labels = sorted((run.root / 'loop1' / 'pseudo_labels' / 'labels').rglob('*.png'))
    assert [p.parent.name for p in labels] == ['aachen'] * 3 + ['images'] * 3
    assert all(np.asarray(Image.open(p)).max() < 19 for p in labels)
    # Half of 3 images and 7 times as many, in batches of 2.
    assert stage.name == 'student 1' and Path(stage.checkpoint).name == 'iter_6.pth'
    weights = torch.load(stage.checkpoint, weights_only=False)['state_dict']
    assert all(torch.isfinite(w).all() for w in weights.values())
    assert len(weights['decode_head.classifier.weight']) == 19
    logs = next(Path(stage.checkpoint).parent.rglob('scalars.json')).read_text().splitlines()
    assert 'decode.cityscapes_pseudo.loss_ce' in {k for line in logs for k in json.loads(line)}


@pytest.mark.parametrize('name', [n for n in STUDENTS if 'to_' not in n])
def test_students_are_built_and_trained(run, name):
    runner = student(run, name)
    loader = runner.train_loop.dataloader
    assert loader.dataset.sizes == {'cityscapes': 3, 'cityscapes_pseudo': 6}
    assert runner.train_loop.max_iters == 6 and runner.model.context.datasets == ('cityscapes',)
    requests = [r for t in range(4) for r in loader.batch_sampler.batch(t)]
    pseudo = [r for r in requests if r.dataset == 'cityscapes_pseudo']
    assert len(requests) == 8 and len(pseudo) == 7
    assert all(r.centre is not None and r.crop_size == (64, 64) for r in pseudo)
    batch = next(iter(loader))
    soft = ['gt_soft_ids' in sample for sample in batch['data_samples']]
    assert soft == [name.endswith('soft') and sample.dataset == 'cityscapes_pseudo'
                    for sample in batch['data_samples']]
    data = runner.model.data_preprocessor(batch, training=True)
    losses = runner.model(**data, mode='loss')
    value = losses['decode.cityscapes_pseudo.loss_ce']
    value.backward()
    assert torch.isfinite(value) and runner.model.decode_head.classifier.weight.grad.any()


def test_pretraining_sees_pseudo_labels_alone(run):
    runner = student(run, PRETRAINED)
    assert runner.train_loop.dataloader.dataset.sizes == {'cityscapes_pseudo': 6}
    assert runner.train_loop.max_iters == 3
    # Objects are found in them, too, where the real labels are not loaded.
    images = labelled_images(runner.cfg, 'train', ['cityscapes_pseudo'])
    assert images.names == ('cityscapes_pseudo',)
    pretrained = runner.model.state_dict()
    tuned = config('finetune_x50_cityscapes')
    tuned.merge_from_dict(NARROW['x50'])
    MODELS.build(tuned.model).load_state_dict(pretrained)


def test_rows_of_tables_are_keys(run):
    plan, crops = 'train_dataloader.sampler', 'train_dataloader.batch_sampler'
    runner = student(run, 'selftrain_student_x50_cityscapes', **{
        f'{plan}.plan.ratio.cityscapes_pseudo': 1, f'{plan}.centroids': None,
        f'{crops}.kind': 'coarse2fine+', f'{crops}.sizes': (32, 64), f'{crops}.epochs': 22})
    batches = runner.train_loop.dataloader.batch_sampler
    assert batches.schedule.epoch_images == 3
    assert all(r.centre is None for t in range(4) for r in batches.batch(t))
    starts = [batches.schedule.span(e)[0] for e in (19, 20, 21)]
    assert [batches.batch(t)[0].crop_size for t in starts] == [(64, 64), (32, 32), (64, 64)]
    assert len(batches.batch(starts[1])) == 8  # four times as small, four times as many
