"""What pseudo labels are."""

import json

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose, pseudo_collate
from PIL import Image

from mmseg_multids.apis.pseudo_images import ImageList
from mmseg_multids.apis.pseudo_labels import generate_pseudo_labels
from mmseg_multids.apis.pseudo_statistics import format_statistics, lowest_levels
from mmseg_multids.datasets import LabelMaps, MultiDataset
from mmseg_multids.models.segmentors import MultiDatasetTTAModel

from .pseudo import label, read, teacher, write_images


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
