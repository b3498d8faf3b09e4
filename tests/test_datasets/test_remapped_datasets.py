"""Datasets that are loaded in another dataset's classes."""

import json

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import MODELS
from PIL import Image

from mmseg_multids.datasets import MultiDataset, SampleRequest, label_space_from_cfg
from mmseg_multids.datasets.toyworld import leaf_to_class, render_scene
from mmseg_multids.label_spaces import read_remap

from ..miniature import DATASETS, make_miniature
from ..test_models.toy import FCN, NORM
from .test_multi_dataset import PLAIN, write

STOCK = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}, {'type': 'PackSegInputs'}]
STREET = [{'type': 'RenderToyWorld'}, {'type': 'PackSegInputs'}]
PAIRS = [('bdd100k', 'cityscapes'), ('camvid', 'cityscapes'), ('cityscapes', 'camvid'),
         ('coco_stuff182', 'cityscapes'), ('cityscapes', 'coco_stuff182'), ('camvid11', 'ycor8'),
         ('ycor8', 'camvid11'), ('camvid11', 'labelmefacade8'), ('labelmefacade8', 'camvid11')]


def entry_of(repo, name, **changes):
    file = name if (repo / f'configs/_base_/datasets/{name}.py').exists() else f'toyworld_{name}'
    entry = Config.fromfile(repo / 'configs' / '_base_' / 'datasets' / f'{file}.py')[file]
    return {**entry.to_dict(), **changes}


def labels_of(sample):
    return sample['data_samples'].gt_sem_seg.data[0].numpy()


@pytest.mark.parametrize('pipeline', [PLAIN, STOCK], ids=['LoadLabelMap', 'LoadAnnotations'])
@pytest.mark.parametrize(('source', 'target'), PAIRS)
def test_labels_come_in_the_targets_ids(repo, tmp_path, monkeypatch, source, target, pipeline):
    make_miniature(tmp_path, source, images=1)
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    entry = entry_of(repo, source, remap=f'{source}_to_{target}.json')
    dataset = MultiDataset([entry], split='val', pipeline=pipeline)
    own = label_space_from_cfg(entry_of(repo, source)).classes
    wanted = label_space_from_cfg(entry_of(repo, target)).classes
    assert dataset.spaces[source].classes == wanted
    assert dataset.metainfo['datasets'][source]['classes'] == list(wanted)
    mapping = read_remap(entry['remap']).classes
    stored = np.array(Image.open(dataset.get_data_info(0)['seg_map_path']))
    expected = np.full_like(stored, 255)
    for class_id in DATASETS[source].ids:  # by names, one class after the other
        goes_to = mapping[own[class_id]]
        if goes_to is not None:
            expected[stored == class_id] = wanted.index(goes_to)
    np.testing.assert_array_equal(labels_of(dataset[0]), expected)
    np.testing.assert_array_equal(labels_of(dataset[SampleRequest(source, 0, 3)]), expected)


@pytest.mark.parametrize(('source', 'target'), [('city', 'asia'), ('asia', 'city'),
                                                ('city', 'atlas'), ('atlas', 'city')])
def test_toyworld_is_drawn_in_the_targets_ids(repo, source, target):
    entry = entry_of(repo, source, remap=f'{source}_to_{target}.json')
    dataset = MultiDataset([entry], split='val', pipeline=STREET)
    own = label_space_from_cfg(entry_of(repo, source)).classes
    wanted = label_space_from_cfg(entry_of(repo, target)).classes
    mapping = read_remap(entry['remap']).classes
    for i in range(3):
        classes = leaf_to_class(source)[render_scene(source, 'val', 0, i)[1]]
        expected = np.full_like(classes, 255)
        for class_id, name in enumerate(own):
            if mapping[name] is not None:
                expected[classes == class_id] = wanted.index(mapping[name])
        np.testing.assert_array_equal(labels_of(dataset[i]), expected)


def model_of(entries):
    return MODELS.build({
        'type': 'MultiDatasetSegmentor', 'datasets': entries, 'label_space': {'type': 'by_name'},
        'backbone': {'type': 'ResNet', 'depth': 18, 'num_stages': 4, 'norm_cfg': NORM,
                     'strides': (1, 2, 2, 2), 'dilations': (1, 1, 1, 1)},
        'decode_head': {'type': 'UniSegHead', 'head': FCN,
                        'loss_decode': {'type': 'CrossEntropyLoss', 'avg_non_ignore': True}}})


@pytest.mark.parametrize(('source', 'target'), [*PAIRS, ('asia', 'city'), ('atlas', 'city')])
def test_by_name_has_exactly_the_targets_nodes(repo, source, target):
    entries = [entry_of(repo, target),
               entry_of(repo, source, remap=f'{source}_to_{target}.json')]
    label_space = model_of(entries).label_space
    classes = label_space_from_cfg(entries[0]).classes
    assert label_space.nodes == classes
    for name in (target, source):
        assert label_space.class_of_node(name).tolist() == list(range(len(classes)))


def a_remap(tmp_path, **classes):
    path = tmp_path / 'letters.json'
    path.write_text(json.dumps({'source': 'one', 'target': 'letters',
                                'target_classes': ['p', 'q', 'r', 's', 't'],
                                'classes': classes or {'a': 'q', 'b': 'p', 'c': 'p'}}))
    return str(path)


def test_ids_are_not_mapped_twice(tmp_path):
    """0 -> 1 and 1 -> 0: one after the other in place would end with one of them."""
    entry = write(tmp_path, 'one', 2, 3, remap=a_remap(tmp_path))
    stored = np.array(Image.open(tmp_path / 'one' / 'labels' / '0.png'))
    for pipeline in (PLAIN, STOCK):
        dataset = MultiDataset([entry], pipeline=pipeline)
        np.testing.assert_array_equal(labels_of(dataset[0]), np.array([1, 0, 0])[stored])


def test_reduced_zero_labels_are_remapped_after_the_reduction(tmp_path):
    entry = write(tmp_path, 'one', 2, 4, remap=a_remap(tmp_path), reduce_zero_label=True)
    stored = np.array(Image.open(tmp_path / 'one' / 'labels' / '0.png'))
    for pipeline in (PLAIN, STOCK):
        dataset = MultiDataset([entry], pipeline=pipeline)
        np.testing.assert_array_equal(labels_of(dataset[0]), np.array([255, 1, 0, 0])[stored])


def test_camvids_own_map_and_the_remapping_are_joined(repo, tmp_path, monkeypatch):
    """A part of CamVid's classes in another order, remapped; 11 and the rest have no label."""
    make_miniature(tmp_path, 'camvid', images=1)
    monkeypatch.setenv('MULTIDS_DATA_ROOT', str(tmp_path))
    remap = a_remap(tmp_path, Car='s', Sky='p')
    entry = entry_of(repo, 'camvid', remap=remap, metainfo={'classes': ['Car', 'Sky']})
    dataset = MultiDataset([entry], split='train', pipeline=PLAIN)
    stored = np.array(Image.open(dataset.get_data_info(0)['seg_map_path']))
    expected = np.select([stored == 8, stored == 0], [3, 0], 255)
    np.testing.assert_array_equal(labels_of(dataset[0]), expected)


@pytest.mark.parametrize('pipeline', [PLAIN, STOCK], ids=['LoadLabelMap', 'LoadAnnotations'])
@pytest.mark.parametrize('stray', [3, 4, 5, 200])
def test_ids_that_the_source_does_not_have_are_refused(tmp_path, stray, pipeline):
    """Ids 3 and 4 are classes of the target, but the source has three classes only."""
    entry = write(tmp_path, 'one', 2, 3, remap=a_remap(tmp_path))
    Image.fromarray(np.full((12, 16), stray, np.uint8)).save(tmp_path / 'one' / 'labels' / '0.png')
    with pytest.raises(ValueError, match=(
            r'dataset one: label map .*labels/0.png holds an id that one does not have; before the '
            r'remapping by .*letters.json 0 to 2 and 255 \(ignore\) are allowed')):
        MultiDataset([entry], pipeline=pipeline)[0]


@pytest.mark.parametrize(('change', 'error', 'words'), [
    ({'remap': 'nowhere.json'}, FileNotFoundError, "dataset one: no mapping 'nowhere.json'"),
    ({'remap': 'camvid_to_cityscapes.json'}, ValueError,
     "dataset one: .*camvid_to_cityscapes.json.*not listed: 'a', 'b', 'c'"),
    ({'remap': 5}, ValueError, 'dataset one: remap needs a file name, got 5'),
    ({'ignore_index': 254}, ValueError, "'one' has ignore_index=254; with remap it must be 255"),
    ({'splits': {'train': {'remap': 'x.json'}}}, ValueError,
     "dataset 'one' has remap in its splits"),
])
def test_bad_entries_are_refused(tmp_path, change, error, words):
    entry = write(tmp_path, 'one', 2, 3, **{'remap': a_remap(tmp_path), **change})
    with pytest.raises(error, match=words):
        MultiDataset([entry], split='train', pipeline=PLAIN)


def test_no_remap_is_as_none(tmp_path):
    entry = write(tmp_path, 'one', 2, 3, remap=None)
    assert MultiDataset([entry], pipeline=PLAIN).spaces['one'].classes == ('a', 'b', 'c')
