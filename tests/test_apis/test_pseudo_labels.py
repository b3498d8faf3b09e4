import errno
import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose, pseudo_collate
from PIL import Image

from mmseg_multids.apis.pseudo_images import ImageList
from mmseg_multids.apis.pseudo_labels import generate_pseudo_labels
from mmseg_multids.apis.pseudo_statistics import format_statistics, lowest_levels
from mmseg_multids.datasets import LabelMaps, MultiDataset
from mmseg_multids.datasets.pseudo_folder import PseudoLabelFolder
from mmseg_multids.models.segmentors import MultiDatasetTTAModel

from ..conftest import ROOT
from ..processes import in_two_processes
from .pseudo import content, in_a_process, label, read, teacher, write_images


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A folder with a teacher, and 6 images in `images`."""
    folder = tmp_path_factory.mktemp('pseudo')
    teacher(folder)
    write_images(folder / 'images', 6)
    return folder


@pytest.fixture
def make(place, tmp_path):
    """Label the images into a folder."""
    def make(out='out', model=None, images=None, **options):
        options = {'label_space': 'one', **options}
        return generate_pseudo_labels(model or read(place), images or [place / 'images'],
                                      tmp_path / out, place / 'model.pth', **options)
    return make


def stock_scores(model, path, scales, flip, target='one', dataset='one', **test_cfg):
    """Averaged scores as `tools/test.py --tta` gets them."""
    model.test_cfg = type(model.test_cfg)({**model.test_cfg, 'label_space': target, **test_cfg})
    flips = [{'type': 'RandomFlip', 'prob': float(p), 'direction': 'horizontal'}
             for p in range(1 + flip)]
    pipeline = Compose([{'type': 'LoadImageFromFile'}, {'type': 'TestTimeAug', 'transforms': [
        [{'type': 'Resize', 'scale_factor': s, 'keep_ratio': True} for s in scales],
        flips, [{'type': 'PackSegInputs'}]]}])
    data = pipeline({'img_path': str(path)})
    for sample in data['data_samples']:
        sample.set_metainfo({'dataset': dataset})
    with torch.no_grad():
        result, = MultiDatasetTTAModel(module=model).test_step(pseudo_collate([data]))
    return result.seg_logits.data


@pytest.mark.parametrize(('options', 'test_cfg'), [
    ({}, {}),
    ({'scales': (0.5, 1.0, 2.0), 'flip': True, 'label_space': 'two'}, {}),
    ({'scales': (1.5,), 'flip': True, 'tile': (48, 56), 'overlap': 0.33},
     {'mode': 'slide', 'crop_size': (48, 56), 'stride': (32, 38)}),
    ({'label_space': 'unified', 'images_of': 'two', 'flip': True}, {}),
])
def test_labels_are_those_of_the_test_with_augmentation(make, place, options, test_cfg, tmp_path):
    model = read(place)
    before = dict(model.test_cfg)
    found = make(model=model, soft=3, **options)
    assert dict(model.test_cfg) == before and found.failed == {}
    target = options.get('label_space', 'one')
    seen = set()
    for path in sorted((place / 'images').iterdir()):
        scores = stock_scores(model, path, options.get('scales', (1.0,)),
                              options.get('flip', False), target,
                              options.get('images_of', target), **test_cfg)
        labels = label(tmp_path / 'out' / 'labels' / path.name)
        assert np.array_equal(labels, scores.argmax(dim=0).numpy()) and labels.dtype == np.uint8
        seen |= set(np.unique(labels))
        values, ids = scores.topk(3, dim=0)
        with np.load(tmp_path / 'out' / 'soft' / f'{path.stem}.npz') as soft:
            assert soft['ids'].dtype == soft['scores'].dtype == np.uint8
            assert np.array_equal(soft['scores'], (values * 255).round().numpy())
            distinct = (values[:-1] != values[1:]).all(dim=0).numpy()
            assert np.array_equal(soft['ids'][:, distinct], ids.numpy()[:, distinct])
    assert len(seen) > 1  # a constant prediction would show nothing


def test_many_classes_take_16_bits(tmp_path):
    datasets = [{'name': name, 'type': 'BaseSegDataset',
                 'metainfo': {'classes': [f'{name}{i}' for i in range(250)]}}
                for name in ('one', 'two')]
    model = teacher(tmp_path, datasets=datasets)
    images = write_images(tmp_path / 'images', 3)
    generate_pseudo_labels(model, [images], tmp_path / 'out', tmp_path / 'model.pth', 'unified',
                           'one', threshold=0.3, soft=2)
    manifest = json.loads((tmp_path / 'out' / 'manifest.json').read_text())
    assert manifest['ignore_index'] == 65535 and len(manifest['classes']) == 500
    labels = np.stack([label(p) for p in sorted((tmp_path / 'out' / 'labels').iterdir())])
    assert labels.dtype.itemsize > 1 and (labels[labels != 65535] < 500).all()
    assert 255 < labels[labels != 65535].max() and (labels == 65535).any()
    with np.load(tmp_path / 'out' / 'soft' / '00.npz') as soft:
        assert soft['ids'].dtype == np.uint16 and soft['ids'].max() > 255


def test_threshold(make, place, tmp_path):
    found = make(threshold=0.7)
    dropped = total = 0
    for path in sorted((place / 'images').iterdir()):
        values, ids = stock_scores(read(place), path, (1.0,), False).max(dim=0)
        labels = label(tmp_path / 'out' / 'labels' / path.name)
        assert np.array_equal(labels, torch.where(values >= 0.7, ids, 255).numpy())
        dropped, total = dropped + int((values < 0.7).sum()), total + values.numel()
    assert 0 < dropped < total
    assert found.statistics['labelled'] == total - dropped
    assert found.statistics['pixels'] == total


@pytest.mark.parametrize(('portion', 'threshold'), [
    (0.3, 0.0), ({None: 0.5, 'sky': 0.1, 'car': 0.0}, 0.0), (0.6, 0.6)])
def test_a_share_of_each_class_over_all_images(make, place, tmp_path, portion, threshold):
    found = make(portion=portion, threshold=threshold)
    ids, values = [], []
    for path in sorted((place / 'images').iterdir()):
        best, own = stock_scores(read(place), path, (1.0,), False).max(dim=0)
        ids.append(own.numpy()), values.append(best.numpy())
    ids, values = np.stack(ids), np.stack(values)
    levels = np.round(values * 255)
    labels = np.stack([label(p) for p in sorted((tmp_path / 'out' / 'labels').iterdir())])
    assert set(np.unique(labels[labels != 255])) <= {0, 1, 2}
    for c, name in enumerate(('road', 'sky', 'car')):
        share = portion if isinstance(portion, float) else portion.get(name, portion[None])
        own = ids == c
        kept = own & (labels == c)
        assert ((labels == c) <= own).all() and ((labels == 255) | own)[own].all()
        passed = own & (values >= threshold)
        assert (kept <= passed).all()
        if share == 0:
            assert not kept.any()
            continue
        # Whole levels, so few more than asked for: without the lowest level it is too few.
        enough = min(share * own.sum(), passed.sum())
        assert kept.sum() >= enough
        lowest = levels[kept].min()
        assert kept.sum() - (kept & (levels == lowest)).sum() < enough
        assert levels[passed & ~kept].max(initial=-1) < lowest
        row = found.statistics['classes'][name]
        assert row['pixels'] == kept.sum()
        assert row['dropped'] == pytest.approx(1 - kept.sum() / own.sum(), abs=1e-6)
        assert row['confidence'] == pytest.approx(levels[own].mean() / 255, abs=1e-6)
        assert row['images'] == kept.any(axis=(1, 2)).sum()
    assert not (tmp_path / 'out' / 'unfiltered').exists()


def test_lowest_levels():
    records = [{'predicted': {'0': [10, 10, 0]}, 'levels': {'0': [[9, 1], [200, 4], [255, 5]]}},
               {'predicted': {'0': [10, 6, 0], '1': [4, 0, 0]}, 'levels': {'0': [[200, 6]],
                                                                           '1': []}}]
    assert lowest_levels(records, [0.25, 1, 1]) == [255, 0, 256]
    assert lowest_levels(records, [0.26, 0, 0]) == [200, 256, 256]
    assert lowest_levels(records, [0.75, 0, 0]) == [200, 256, 256]
    assert lowest_levels(records, [0.80, 0, 0]) == [9, 256, 256]
    assert lowest_levels(records, [1.0, 0, 0]) == [0, 256, 256]


def labelled(place, folder, model) -> ImageList:
    """The images as dataset `one` of the model, with labels in part."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for path in sorted((place / 'images').iterdir()):
        labels = rng.choice([0, 1, 2, 255, 255], size=(40, 56)).astype(np.uint8)
        Image.fromarray(labels).save(folder / path.name)
    images = MultiDataset([{
        'name': 'one', 'type': 'BaseSegDataset', 'metainfo': {'classes': ('road', 'sky', 'car')},
        'data_prefix': {'img_path': str(place / 'images'), 'seg_map_path': str(folder)},
        'img_suffix': '.png', 'seg_map_suffix': '.png',
        'pipeline': [{'type': 'LoadImageFromFile'}, {'type': 'LoadLabelMap'},
                     {'type': 'PackSegInputs'}]}])
    names = [f'{i:02d}.png' for i in range(6)]
    return ImageList(str(place / 'images'), names, 'one', LabelMaps(images, 'one'), list(range(6)))


@pytest.mark.parametrize('options', [{'threshold': 0.2}, {'portion': 0.5, 'processes': 2}])
def test_classes_of_others_are_added(tmp_path, place, options):
    # By name road and sky are shared; car is of `one` alone, tree and person of `two`.
    space = {'type': 'by_name', 'aliases': [['sky', 'Sky']]}
    model = teacher(tmp_path / 'teacher', label_space=space)
    images = labelled(place, tmp_path / 'labels', model)
    two = {'Sky': 0, 'tree': 1, 'road': 2, 'person': 3}
    found = generate_pseudo_labels(model, images, tmp_path / 'out', tmp_path / 'teacher/model.pth',
                                   'two', complete=True, soft=2, **options)
    added = 0
    for path in sorted((tmp_path / 'labels').iterdir()):
        given, labels = label(path), label(tmp_path / 'out' / 'labels' / path.name)
        assert (labels[given == 0] == two['road']).all()
        assert (labels[given == 1] == two['Sky']).all()
        assert (labels[given == 2] == 255).all()  # a car is no class of `two`
        scores = stock_scores(model, place / 'images' / path.name, (1.0,), False, 'two', 'one')
        among = scores[[1, 3]]
        expected = np.array([1, 3])[among.argmax(dim=0).numpy()]
        free, own = given == 255, labels != 255
        assert (labels == expected)[free & own].all()
        if 'threshold' in options:
            assert np.array_equal(own[free], among.max(dim=0).values.numpy()[free] >= 0.2)
        added += (free & own).sum()
        with np.load(tmp_path / 'out' / 'soft' / f'{path.stem}.npz') as soft:
            ids, values = soft['ids'], soft['scores']
        assert (ids[0][given == 0] == two['road']).all() and (values[0][given < 2] == 255).all()
        assert (values[1][given != 255] == 0).all() and (values[:, given == 2] == 0).all()
        assert np.isin(ids[:, free], (1, 3)).all() and (ids[0] == expected)[free].all()
    assert added > 50
    rows = found.statistics['classes']
    given = np.stack([label(p) for p in (tmp_path / 'labels').iterdir()])
    assert rows['road']['given'] == rows['road']['pixels'] == (given == 0).sum()
    assert rows['tree']['given'] == 0
    assert rows['tree']['pixels'] + rows['person']['pixels'] == added
    assert 'labelled before' in format_statistics(found.statistics)


def test_completion_is_refused_where_it_adds_nothing(make, place, tmp_path):
    images = labelled(place, tmp_path / 'labels', None)
    with pytest.raises(ValueError, match='one has all classes of one'):
        make(images=images, complete=True)
    with pytest.raises(ValueError, match='no class of one is one class of two'):
        make(images=images, complete=True, label_space='two')
    with pytest.raises(ValueError, match='no labels that could be completed'):
        make(complete=True)
    make(images=images, complete=True, label_space='unified')  # two's classes are beside one's
    assert set(np.unique(label(tmp_path / 'out' / 'labels' / '00.png'))) <= set(range(7))


def test_any_number_of_processes_makes_the_same_files(make, place, tmp_path):
    options, said = {'soft': 2, 'portion': 0.4}, []
    make('alone', say=said.append, **options)
    assert said and said[0].endswith('left') and '6 of 6 images' in said[0]
    make('two', processes=2, **options)
    in_two_processes(in_a_process, str(place), str(place / 'images'), str(tmp_path / 'ranks'),
                     {'label_space': 'one', **options})
    alone = content(tmp_path / 'alone')
    assert alone == content(tmp_path / 'two') == content(tmp_path / 'ranks')
    again = make('alone', **options)  # nothing left to do
    assert content(tmp_path / 'alone') == alone and again.statistics['images'] == 6


def run_until(place, images, out, records=None, processes=1):
    """Label in another process; kill it at some moment after so many images."""
    process = subprocess.Popen(
        [sys.executable, '-m', 'tests.test_apis.pseudo', str(place), str(images), str(out),
         str(processes)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'})
    if records is not None:
        end = time.monotonic() + 300
        while len(list(out.glob('records/*.json'))) < records and time.monotonic() < end:
            assert process.poll() is None, process.communicate()[0].decode()
            time.sleep(0.02)
        time.sleep(random.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
    output = process.communicate()[0].decode()
    assert process.returncode == (0 if records is None else -signal.SIGKILL), output


@pytest.mark.parametrize('processes', [1, 2])
def test_a_killed_run_goes_on(place, tmp_path, processes):
    images = write_images(tmp_path / 'images', 40, (96, 128))
    generate_pseudo_labels(read(place), [images], tmp_path / 'whole', place / 'model.pth', 'one',
                           soft=2, portion=0.4)
    for records in (random.randint(1, 10), random.randint(11, 30)):
        run_until(place, images, tmp_path / 'out', records, processes)
        assert not (tmp_path / 'out' / 'statistics.json').exists()
        assert records <= len(list(tmp_path.glob('out/records/*.json'))) < 40
    run_until(place, images, tmp_path / 'out')
    assert content(tmp_path / 'out') == content(tmp_path / 'whole')


def test_another_run_in_the_same_folder_is_refused(make, place, tmp_path):
    make(scales=(0.5, 1.0))
    before = content(tmp_path / 'out')
    extra = [*sorted((place / 'images').iterdir())][:5]
    for options, words in [
            ({'scales': (1.0,)}, r'scales was \[0.5, 1.0\], and is \[1.0\] now'),
            ({'label_space': 'two'}, "target was 'one', and is 'two' now"),
            ({'threshold': 0.5}, r'threshold was 0.0, and is 0.5 now'),
            ({'portion': 0.5}, 'portion was null'),
            ({'tile': (16, 16)}, "test_cfg was"),
            ({'images': extra}, 'images: there were 6, and are 5 now'),
            ({'images': [extra[0], *extra[2:]]}, "images: number 1 was '01.png'")]:
        with pytest.raises(ValueError, match=words) as info:
            make(**{'scales': (0.5, 1.0), **options})
        assert 'another folder (--out), or delete' in str(info.value)
    other = teacher(tmp_path / 'other', seed=1)
    with pytest.raises(ValueError, match='SHA-256'):
        generate_pseudo_labels(other, [place / 'images'], tmp_path / 'out',
                               tmp_path / 'other' / 'model.pth', 'one', scales=(0.5, 1.0))
    assert content(tmp_path / 'out') == before
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'thesis.txt').write_text('')
    with pytest.raises(ValueError, match='is not empty'):
        make('full')
    manifest = tmp_path / 'out' / 'manifest.json'
    manifest.write_text(manifest.read_text().replace('"road"', '"lane"'))
    with pytest.raises(ValueError, match='not as it was written'):
        make(scales=(0.5, 1.0))


@pytest.mark.parametrize('portion', [None, 0.5])
def test_images_that_cannot_be_read(place, tmp_path, make, portion):
    images = write_images(tmp_path / 'images', 5)
    whole = (images / '01.png').read_bytes()
    (images / '01.png').write_bytes(whole[:len(whole) // 2])
    (images / '03.png').write_text('no image')
    found = make(images=[images], portion=portion)
    assert sorted(found.failed) == ['01.png', '03.png']
    assert found.failed == json.loads((tmp_path / 'out' / 'failed.json').read_text())
    assert found.statistics['images'] == 3 and found.statistics['failed'] == 2
    assert len(list((tmp_path / 'out' / 'labels').iterdir())) == 3
    write_images(images, 5)  # repaired
    found = make(images=[images], portion=portion)
    make('fresh', images=[images], portion=portion)
    assert found.failed == {} and found.statistics['images'] == 5
    assert content(tmp_path / 'out') == content(tmp_path / 'fresh')


def test_every_image_unreadable(tmp_path, make):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images' / 'a.jpg').write_bytes(b'')
    found = make(images=[tmp_path / 'images'])
    assert list(found.failed) == ['a.jpg'] and found.statistics['images'] == 0
    assert format_statistics(found.statistics)


@pytest.mark.parametrize('part', ['labels', 'soft', 'records', 'unfiltered'])
def test_a_full_disk(make, tmp_path, monkeypatch, part):
    options = {'soft': 1, 'portion': 0.5 if part == 'unfiltered' else None}
    make('whole', **options)
    real, count = os.replace, []

    def full(source, target):
        if f'out/{part}/' in str(target):
            count.append(target)
            if len(count) == 4:
                raise OSError(errno.ENOSPC, 'No space left on device')
        real(source, target)

    monkeypatch.setattr(os, 'replace', full)
    with pytest.raises(OSError, match='no space left to write .*03.*same command again') as info:
        make(**options)
    assert info.value.errno == errno.ENOSPC
    assert not list(tmp_path.glob('out/**/*.tmp'))
    monkeypatch.setattr(os, 'replace', real)
    make(**options)
    assert content(tmp_path / 'out') == content(tmp_path / 'whole')


def test_the_other_processes_hear_of_any_error_of_the_first(make, monkeypatch):
    """Or they would wait for it until their collective gives up."""
    def broken(self, manifest):
        raise KeyError('broken')

    told = []
    monkeypatch.setattr(PseudoLabelFolder, 'begin', broken)
    monkeypatch.setattr('mmseg_multids.processes.broadcast_object_list',
                        lambda found: told.append(found[1]))
    with pytest.raises(KeyError, match='broken'):
        make()
    assert [type(error) for error in told] == [KeyError]


def test_label_names_are_unique(make, place, tmp_path):
    write_images(tmp_path / 'images' / 'sub', 2)
    write_images(tmp_path / 'images', 2, suffix='jpg')
    found = make(images=[tmp_path / 'images'])
    assert found.statistics['images'] == 4 and (tmp_path / 'out/labels/sub/00.png').is_file()
    write_images(tmp_path / 'images' / 'sub', 1, suffix='jpg')
    with pytest.raises(ValueError, match=r'sub/00.jpg and sub/00.png would get the same'):
        make(images=[tmp_path / 'images'])
    with pytest.raises(FileNotFoundError, match='moon'):
        make(images=[tmp_path / 'moon'])


def test_the_folder_may_lie_among_the_images(make, tmp_path):
    images = write_images(tmp_path / 'images', 2)
    for _ in range(2):
        assert make('images/pseudo', images=[images]).statistics['images'] == 2


def test_names_and_settings_are_checked_first(make, place, tmp_path):
    for options, words in [
            ({'label_space': None}, "one of one, two, or 'unified'"),
            ({'label_space': 'moon'}, "unknown label space 'moon'"),
            ({'images_of': 'moon'}, "'moon', which the model does not know"),
            ({'soft': 4}, 'soft=4: from 0 to 3'), ({'threshold': 1.5}, 'threshold=1.5'),
            ({'portion': {'tree': 0.5}}, "portion has the class 'tree'; the labels have road"),
            ({'portion': 2.0}, 'portion=2.0'), ({'scales': ()}, r'scales=\[\]'),
            ({'overlap': 1.0, 'tile': (8, 8)}, 'overlap=1.0'), ({'processes': 0}, 'processes=0')]:
        with pytest.raises(ValueError, match=words):
            make(**options)
    assert not (tmp_path / 'out').exists()


def test_batch_norms_of_a_dataset(place, tmp_path):
    model = teacher(tmp_path, dataset_norm={})
    torch.manual_seed(5)
    for name, buffer in model.named_buffers():
        if name.endswith('running_mean'):
            buffer[1] += 3 * torch.rand_like(buffer[1])
    with pytest.raises(ValueError, match='not said; name it'):
        generate_pseudo_labels(model, [place / 'images'], tmp_path / 'x', tmp_path / 'model.pth',
                               'unified')
    for dataset in ('one', 'two'):
        generate_pseudo_labels(model, [place / 'images'], tmp_path / dataset,
                               tmp_path / 'model.pth', 'one', images_of=dataset)
        path = place / 'images' / '00.png'
        scores = stock_scores(model, path, (1.0,), False, 'one', dataset)
        assert np.array_equal(label(tmp_path / dataset / 'labels' / '00.png'),
                              scores.argmax(dim=0).numpy())
    assert not np.array_equal(*(label(tmp_path / d / 'labels' / '00.png') for d in ('one', 'two')))
