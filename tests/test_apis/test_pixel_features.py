"""Which pixels are sampled, and that their features are those of their places."""

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, Compose

from mmseg_multids.apis import pixel_features
from mmseg_multids.apis.pixel_features import (
    cell_centres,
    cell_labels,
    cells_at,
    choose_cells,
    features_of,
    gather_features,
    sample_pixels,
)
from mmseg_multids.apis.whole_images import WholeImage, embed
from mmseg_multids.datasets import MultiDataset
from mmseg_multids.registry import DATASETS, TRANSFORMS

from ..test_models.toy import build

SIZES = [(32, 64), (60, 40), (64, 64), (33, 50)]


@TRANSFORMS.register_module(name='CoordinateImage', force=True)
class CoordinateImage:
    """Images whose channels say where a pixel is and in which image; labels of ragged blocks."""

    def __call__(self, results):
        number = int(results['img_path'])
        h, w = SIZES[number % len(SIZES)]
        image = np.zeros((h, w, 3), np.uint8)
        image[..., 0], image[..., 1] = np.mgrid[:h, :w]
        image[..., 2] = number
        rows, columns = np.mgrid[:h, :w]
        labels = (rows // 7 + columns // 11 + number) % 3
        labels[rows // 5 == 3] = 255
        return {**results, 'img': image, 'img_shape': (h, w), 'ori_shape': (h, w),
                'gt_seg_map': labels.astype(np.uint8), 'seg_fields': ['gt_seg_map']}


@DATASETS.register_module(name='NumberedImages', force=True)
class NumberedImages(BaseDataset):
    """A list of numbers for images."""

    def load_data_list(self):
        return [{'img_path': str(i)} for i in range(6)]


def label_of(number, row, column):
    return 255 if row // 5 == 3 else (row // 7 + column // 11 + number) % 3


def the_images(names=('one', 'two')):
    classes = {'one': ['road', 'sky', 'car'], 'two': ['Sky', 'tree', 'road', 'person']}
    return MultiDataset([{'name': n, 'type': 'NumberedImages', 'metainfo': {'classes': classes[n]},
                          'pipeline': [{'type': 'CoordinateImage'}, {'type': 'PackSegInputs'}]}
                         for n in names])


@pytest.fixture
def model(monkeypatch):
    """A model whose features are the inputs at the centres of cells of 4 x 4 pixels."""
    model = build(data_preprocessor={
        'type': 'SegDataPreProcessor', 'mean': [0, 0, 0], 'std': [1, 1, 1], 'size_divisor': 16})
    model.eval()
    model.stride = 4

    def coordinates(net, image, layer):
        return image.inputs[0, :, net.stride // 2::net.stride, net.stride // 2::net.stride]
    monkeypatch.setattr(pixel_features, 'features_of', coordinates)
    return model


@pytest.mark.parametrize(('cells', 'pixels'), [(8, 32), (3, 96), (7, 50), (5, 5), (1, 9)])
def test_cells_and_pixels_fit(cells, pixels):
    centres = cell_centres(cells, pixels)
    np.testing.assert_array_equal(cells_at(centres, cells, pixels), np.arange(cells))
    for cell, centre in enumerate(centres):
        assert abs(centre + 0.5 - (cell + 0.5) * pixels / cells) <= 0.5
    for pixel in range(pixels):
        cell = cells_at(np.array([pixel]), cells, pixels)[0]
        assert cell * pixels / cells <= pixel + 0.5 <= (cell + 1) * pixels / cells


def test_labels_of_another_size_than_the_image_and_padding():
    """An image of 40 x 60 in 48 x 64, with labels of 80 x 120 that are padded by as much."""
    full = torch.arange(80 * 120).reshape(80, 120) % 250
    labels = torch.nn.functional.pad(full, (0, 4, 0, 8), value=255)[None]
    image = WholeImage('one', torch.zeros(1, 3, 48, 64), labels, torch.zeros(3, 40, 60))
    found = cell_labels(image, (12, 16))
    for row in range(12):
        for column in range(16):
            y, x = 4 * row + 2, 4 * column + 2
            expected = 255 if y >= 40 or x >= 60 else int(full[2 * y + 1, 2 * x + 1])
            assert found[row, column] == expected


def test_cells_are_taken_from_the_images_in_turns():
    maps = [np.zeros((3, 3), int), np.array([[0, 1]]), np.ones((2, 2), int), np.zeros((1, 4), int)]
    chosen = choose_cells(maps, 0, 8, np.random.default_rng(0))
    assert sorted(i for i, _ in chosen) in ([0] * 4 + [1] + [3] * 3, [0] * 3 + [1] + [3] * 4)
    assert len(set(chosen)) == 8 and all(maps[i].flat[cell] == 0 for i, cell in chosen)
    assert len(choose_cells(maps, 0, 99, np.random.default_rng(0))) == 9 + 1 + 4
    others = {tuple(choose_cells(maps, 0, 3, np.random.default_rng(s))) for s in range(20)}
    assert len(others) > 10


def test_sampling_is_balanced_and_labels_are_those_of_the_pixels(model):
    images = the_images()
    sample = sample_pixels(model, images, per_class=9)
    assert [(c.dataset, c.name) for c in sample.classes if c.dataset == 'two'] and \
        {c.name for c in sample.classes if c.dataset == 'one'} == {'road', 'sky', 'car'}
    assert np.bincount(sample.class_ids).tolist() == [9] * 6  # nobody is labelled as a person
    assert sample.left_out == {}
    ids = [images.spaces[c.dataset].classes.index(c.name) for c in sample.classes]
    for c, position, (row, column) in zip(sample.class_ids, sample.images, sample.places):
        dataset, number = images.locate(int(position))
        assert dataset == sample.classes[c].dataset and sample.image_names[position] == str(number)
        assert label_of(number, row, column) == ids[c]
    for c in range(6):  # 9 pixels out of 6 images: one or two of each
        assert set(np.bincount(sample.images[sample.class_ids == c] % 6, minlength=6)) == {1, 2}


@pytest.mark.parametrize('stride', [4, 2, 8])
def test_features_are_those_of_the_pixels(model, stride):
    images = the_images()
    sample = sample_pixels(model, images, per_class=9)
    model.stride = stride  # another network's map is finer or coarser
    found = gather_features(model, images, sample)
    for vector, position, (row, column) in zip(found, sample.images, sample.places):
        cell = (np.array([row, column]) // stride) * stride + stride // 2
        number = images.locate(int(position))[1]
        if (cell < SIZES[number % 4]).all():  # else the centre is in the padding
            expected = np.array([*cell, number], float)
            np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-6)


def test_sampling_is_seeded_and_datasets_do_not_touch_each_other(model):
    def places(seed, names=('one', 'two'), **options):
        found = sample_pixels(model, the_images(names), seed=seed, per_class=9, **options)
        own = [found.classes[c].dataset == 'one' for c in found.class_ids]
        return found.places[own].tolist()
    assert places(0) == places(0) == places(0, ('one',)) == places(0, ('two', 'one'))
    assert places(0) == places(0, datasets=['one'])
    assert places(0) != places(1)


def test_most_frequent_classes_and_too_rare_ones(model):
    images = the_images(['one'])
    labels = np.concatenate([[label_of(n, r, c) for r in range(2, h, 4) for c in range(2, w, 4)]
                             for n in range(6) for h, w in [SIZES[n % 4]]])
    counts = np.bincount(labels[labels < 3])
    order = np.argsort(-counts)
    best = sample_pixels(model, images, num_classes=2, per_class=5)
    names = np.array(images.spaces['one'].classes)
    assert [c.name for c in best.classes] == names[order[:2]].tolist()
    strict = sample_pixels(model, images, per_class=int(counts[order[1]]))
    assert len(strict.classes) == 2 and strict.left_out == {
        f'one/{names[order[2]]}': counts[order[2]]}


def test_fewer_images(model):
    sample = sample_pixels(model, the_images(), max_images=2, per_class=3)
    assert set(sample.images) == {0, 3, 6, 9}


def test_refusals(model):
    images = the_images()
    with pytest.raises(ValueError, match="unknown dataset 'moon'; known: one, two"):
        sample_pixels(model, images, ['moon'])
    for option in ('max_images', 'per_class', 'num_classes'):
        with pytest.raises(ValueError, match=f'{option}=0: at least 1'):
            sample_pixels(model, images, **{option: 0})
    with pytest.raises(ValueError, match=r'no class has 5000 labelled pixels in 6 image\(s\) of '
                       r"one, .* 8 x 16; the most frequent one is '\w+' with \d+"):
        sample_pixels(model, images, per_class=5000)


def test_no_labels_and_no_numbers(model, monkeypatch):
    images = the_images()
    sample = sample_pixels(model, images, per_class=2)
    monkeypatch.setattr(pixel_features, 'features_of',
                        lambda net, image, layer: torch.full((3, 8, 8), torch.nan))
    with pytest.raises(ValueError, match=r'features \(embedding\) of image \d of one are not fin'):
        gather_features(model, images, sample)
    for dataset in images.datasets.values():
        dataset.pipeline = Compose([*dataset.pipeline.transforms[:1], Unlabelled(),
                                    *dataset.pipeline.transforms[1:]])
    with pytest.raises(ValueError, match=r'no labelled pixels in 6 image\(s\) of one'):
        sample_pixels(model, images)


class Unlabelled:
    def __call__(self, results):
        results['gt_seg_map'][:] = 255
        return results


def test_layers_of_a_network():
    model = build().eval()
    image = WholeImage('two', torch.randn(1, 3, 64, 96), torch.zeros(1, 64, 96),
                       torch.zeros(3, 64, 96))
    with torch.no_grad():
        assert torch.equal(features_of(model, image), embed(model, image)[0])
        stage = model.backbone(image.inputs)[-1][0]
    assert torch.equal(features_of(model, image, 'backbone'), stage) and len(stage) == 512
    elsewhere = image._replace(dataset='elsewhere')
    assert torch.equal(features_of(model, elsewhere), features_of(model, image))
    with pytest.raises(ValueError, match="layer='neck': allowed are embedding, backbone"):
        features_of(model, image, 'neck')
