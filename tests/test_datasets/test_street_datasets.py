"""The datasets of the CDCL paper: official folders and encodings, class lists."""

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

from mmseg_multids.datasets import CamVid11Dataset, MultiDataset, label_space_from_cfg

from ..miniature import DATASETS, make_all, make_miniature

NAMES = ['cityscapes', 'bdd100k', 'camvid', 'coco_stuff182']
PLAIN = [{'type': 'LoadImageFromFile'}, {'type': 'LoadLabelMap'}, {'type': 'PackSegInputs'}]
STOCK = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}, {'type': 'PackSegInputs'}]


def entry_of(repo, name):
    return Config.fromfile(repo / 'configs' / '_base_' / 'datasets' / f'{name}.py')[name]


def labels_of(sample):
    return sample['data_samples'].gt_sem_seg.data[0].numpy()


@pytest.mark.parametrize('pipeline', [PLAIN, STOCK], ids=['LoadLabelMap', 'LoadAnnotations'])
@pytest.mark.parametrize('name', NAMES)
def test_images_load_with_the_ids_of_their_files(repo, tmp_path, monkeypatch, name, pipeline):
    make_miniature(tmp_path, name, images=2)
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    layout = DATASETS[name]
    for split in ('train', 'val', 'test'):
        dataset = MultiDataset([entry_of(repo, name)], split=split, pipeline=pipeline)
        assert dataset.sizes == {name: 2}
        for i in range(2):
            sample = dataset[i]
            assert sample['inputs'].shape == (3, *layout.size)
            stored = np.array(Image.open(dataset.get_data_info(i)['seg_map_path']))
            expected = np.where(stored == layout.void, 255, stored)
            np.testing.assert_array_equal(labels_of(sample), expected)
            assert set(np.unique(expected)) == {*layout.ids.tolist(), 255}


@pytest.mark.parametrize(('name', 'known'), [
    ('cityscapes', {0: 'road', 8: 'vegetation', 12: 'rider', 18: 'bicycle'}),
    ('bdd100k', {0: 'road', 8: 'vegetation', 12: 'rider', 18: 'bicycle'}),
    ('camvid', {0: 'Sky', 3: 'Road', 4: 'Pavement', 8: 'Car', 10: 'Bicyclist'}),
    ('coco_stuff182', {
        0: 'person', 2: 'car', 10: 'fire hydrant', 11: 'street sign', 12: 'stop sign', 71: 'tv',
        79: 'toaster', 89: 'toothbrush', 90: 'hair brush', 91: 'banner', 95: 'building-other',
        123: 'grass', 139: 'pavement', 148: 'road', 156: 'sky-other', 168: 'tree', 181: 'wood'}),
])
def test_class_lists(repo, name, known):
    space = label_space_from_cfg(entry_of(repo, name))
    assert space.num_classes == DATASETS[name].num_classes
    assert {i: space.classes[i] for i in known} == known
    assert len(set(space.palette)) == space.num_classes


def test_stuff_classes_do_not_share_a_name_with_things(repo):
    """COCO-Stuff renamed the four classes that COCO 2017 dropped as things."""
    classes = label_space_from_cfg(entry_of(repo, 'coco_stuff182')).classes
    things, stuff = classes[:91], classes[91:]
    assert list(stuff) == sorted(stuff) and len(stuff) == 91
    absent = ['street sign', 'hat', 'shoe', 'eye glasses', 'plate', 'mirror', 'window', 'desk',
              'door', 'blender', 'hair brush']
    assert [things[i] for i in sorted(DATASETS['coco_stuff182'].absent)] == absent
    assert {'mirror-stuff', 'desk-stuff', 'door-stuff', 'window-other'} <= set(stuff)


def test_the_171_classes_of_mmsegmentation_are_those_that_occur(repo):
    from mmseg.datasets import COCOStuffDataset
    classes = label_space_from_cfg(entry_of(repo, 'coco_stuff182')).classes
    occurring = [classes[i] for i in DATASETS['coco_stuff182'].ids]
    assert occurring == list(COCOStuffDataset.METAINFO['classes'])


def test_camvid_with_a_part_of_its_classes(repo, tmp_path, monkeypatch):
    """The unlabelled id stays unlabelled beside MMSegmentation's own reduction of classes."""
    make_miniature(tmp_path, 'camvid', images=1)
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    entry = {**entry_of(repo, 'camvid'), 'metainfo': {'classes': ['Car', 'Sky']}}
    dataset = MultiDataset([entry], split='train', pipeline=PLAIN)
    stored = np.array(Image.open(dataset.get_data_info(0)['seg_map_path']))
    expected = np.select([stored == 8, stored == 0], [0, 1], 255)
    np.testing.assert_array_equal(labels_of(dataset[0]), expected)
    palette = dict(zip(CamVid11Dataset.METAINFO['classes'], CamVid11Dataset.METAINFO['palette']))
    assert dataset.metainfo['palette'] == [palette['Car'], palette['Sky']]


# ------------------------------------------------------------------ the mixes of the paper

MIXES = {'mix_cityscapes_bdd100k': NAMES[:2], 'mix_cityscapes_camvid': [NAMES[0], NAMES[2]],
         'mix_cityscapes_coco': [NAMES[0], NAMES[3]], 'mix_cityscapes_bdd100k_camvid': NAMES[:3]}

EXPERIMENT = """
_base_ = [{base!r} + '/' + name for name in (
    'models/r18_s32_segformer.py', 'mixes/{mix}.py', 'schedules/schedule_adamw.py',
    'default_runtime.py')]
model = dict(datasets={{{{_base_.datasets}}}})
"""


def config_of(repo, folder, mix):
    path = folder / f'{mix}_experiment.py'
    path.write_text(EXPERIMENT.format(base=str(repo / 'configs' / '_base_'), mix=mix))
    return Config.fromfile(path)


@pytest.mark.parametrize('mix', MIXES)
def test_mixes_train_and_evaluate_on_miniatures(repo, tmp_path, monkeypatch, mix):
    """One iteration of each dataset and an evaluation on images in the official layout."""
    root = make_all(tmp_path / 'data', images=2, names=MIXES[mix])
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(root))
    cfg = config_of(repo, tmp_path, mix)
    assert [entry.name for entry in cfg.datasets] == MIXES[mix]
    iterations = len(MIXES[mix])
    cfg.merge_from_dict({
        'work_dir': str(tmp_path / 'run'), 'log_level': 'ERROR', 'experiment_name': tmp_path.name,
        'train_cfg.max_iters': iterations, 'train_cfg.val_interval': iterations,
        'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False,
        'val_dataloader.num_workers': 0, 'test_dataloader.num_workers': 0,
        'train_dataloader.batch_size': 2, 'visualizer.name': tmp_path.name,
        'custom_hooks.0.images_per_dataset': 1, 'train_dataloader.sampler.crop_size': (64, 96)})
    runner = Runner.from_cfg(cfg)
    runner.train()
    metrics = runner.test()
    assert all(f'{name}/mIoU' in metrics for name in MIXES[mix])


@pytest.mark.parametrize('mix', MIXES)
def test_batches_are_those_of_the_paper(repo, tmp_path, monkeypatch, mix):
    """Eight crops of 512x512 of one dataset, then of the next; what lacks has no label."""
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(make_all(tmp_path, images=1, names=MIXES[mix])))
    cfg = config_of(repo, tmp_path, mix)
    cfg.merge_from_dict({'train_dataloader.num_workers': 0,
                         'train_dataloader.persistent_workers': False,
                         'train_dataloader.sampler.batch_size': 8})
    batches = iter(Runner.build_dataloader(cfg.train_dataloader, seed=0))
    for name in MIXES[mix]:
        batch = next(batches)
        assert [tuple(image.shape) for image in batch['inputs']] == [(3, 512, 512)] * 8
        samples = batch['data_samples']
        assert [sample.metainfo['dataset'] for sample in samples] == [name] * 8
        for sample in samples:
            labels = sample.gt_sem_seg.data[0].numpy()
            height, width = np.multiply(DATASETS[name].size, sample.metainfo['scale_factor'][::-1])
            assert (labels[round(height):] == 255).all()
            assert labels.shape == (512, 512)
            padded = labels[:, :-round(width)] if sample.metainfo['flip'] else (
                labels[:, round(width):])
            assert (padded == 255).all() and (labels != 255).any()


def test_every_image_is_tested_at_four_scales(repo, tmp_path, monkeypatch):
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(make_all(tmp_path, images=1, names=['camvid'])))
    cfg = config_of(repo, tmp_path, 'mix_cityscapes_camvid')
    dataset = MultiDataset([entry_of(repo, 'camvid')], split='test', pipeline=cfg.tta_pipeline,
                           test_mode=True)
    versions = dataset[0]
    scales = [image.shape[-1] / 120 for image in versions['inputs']]
    assert scales == [0.5, 0.75, 1.0, 1.25]
    assert {s.gt_sem_seg.shape for s in versions['data_samples']} == {(90, 120)}
