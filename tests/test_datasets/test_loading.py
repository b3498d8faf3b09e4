"""Label maps are read as they are stored, whatever the file's encoding."""

import numpy as np
import pytest
from PIL import Image

from mmseg_multids.datasets.transforms import LoadLabelMap

IDS = np.array([[0, 1, 2], [3, 7, 255]], np.uint8)


def grey(path):
    Image.fromarray(IDS).save(path)


def grey_with_transparency(path):
    Image.fromarray(IDS).save(path, transparency=3)


def coloured_palette(path):
    image = Image.fromarray(IDS, mode='P')
    image.putpalette([value for i in range(256) for value in (255 - i, i // 2, 7)])
    image.save(path)


def sixteen_bits(path):
    Image.fromarray(IDS.astype(np.uint16)).save(path)


def tiff(path):
    Image.fromarray(IDS).save(path, format='TIFF')


@pytest.mark.parametrize('write', [grey, grey_with_transparency, coloured_palette, sixteen_bits,
                                   tiff], ids=lambda f: f.__name__)
def test_ids_are_read_as_stored(tmp_path, write):
    path = tmp_path / 'labels.png'
    write(path)
    result = LoadLabelMap()({'seg_map_path': str(path)})
    assert result['gt_seg_map'].dtype == np.uint8
    assert np.array_equal(result['gt_seg_map'], IDS)


def test_one_bit_files_hold_zero_and_one(tmp_path):
    bits = np.array([[False, True], [True, False]])
    Image.fromarray(bits).save(tmp_path / 'bits.png', bits=1)
    result = LoadLabelMap()({'seg_map_path': str(tmp_path / 'bits.png')})
    assert np.array_equal(result['gt_seg_map'], bits.astype(np.uint8))


@pytest.mark.parametrize('kept', [0.1, 0.5, 0.9])
def test_a_truncated_file_is_an_error(tmp_path, kept):
    ids = np.random.default_rng(0).integers(0, 11, (120, 160), np.uint8)
    Image.fromarray(ids).save(tmp_path / 'labels.png')
    data = (tmp_path / 'labels.png').read_bytes()
    (tmp_path / 'labels.png').write_bytes(data[:int(len(data) * kept)])
    with pytest.raises(OSError):
        LoadLabelMap()({'seg_map_path': str(tmp_path / 'labels.png')})


def test_labels_may_be_loaded_beside_a_resized_image(tmp_path):
    """As in test-time augmentation: the sizes of the files count."""
    grey(tmp_path / 'labels.png')
    sample = {'seg_map_path': str(tmp_path / 'labels.png'), 'img_path': 'image.png',
              'img': np.zeros((4, 6, 3), np.uint8), 'ori_shape': (2, 3)}
    assert np.array_equal(LoadLabelMap()(dict(sample))['gt_seg_map'], IDS)
    with pytest.raises(ValueError, match='labels.png is 3x2 pixels, its image image.png is 6x4'):
        LoadLabelMap()({**sample, 'ori_shape': (4, 6)})
