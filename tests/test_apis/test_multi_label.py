import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mmseg_multids.apis import inference, init_model, multi_label_inference
from mmseg_multids.visualization import draw_multi_label

from ..conftest import ROOT


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    cfg = Config.fromfile(ROOT / 'configs/quickstart/quickstart_toyworld.py')
    cfg.model.decode_head.head.channels = 8
    cfg.model.label_space = {'type': 'by_name'}
    return init_model(cfg, device='cpu')


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (48, 80, 3), dtype=np.uint8)


def test_files_and_arrays(model, image, tmp_path):
    Image.fromarray(image[..., ::-1]).save(tmp_path / 'image.png')
    first = multi_label_inference(model, image, 'city', threshold=0.01)
    both = multi_label_inference(model, [image, tmp_path / 'image.png'], 'city', threshold=0.01)
    assert all(np.array_equal(first.combined, each.combined) for each in both)
    usual = inference(model, image, 'city').pred_sem_seg.data[0]
    np.testing.assert_array_equal(first.own, usual)
    assert first.other_score.shape == (48, 80) and first.threshold == 0.01
    assert first.classes == model.label_space.space('city').classes
    assert (model.label_space.class_of_node('city')[first.other] == -1).all()
    assert (first.combined != first.own_node).any()
    draw_multi_label([(image[..., ::-1], first)], tmp_path / 'picture.png')
    assert (tmp_path / 'picture.png').is_file()


def test_images_of_an_unseen_dataset(model, image):
    result = multi_label_inference(model, image, 'elsewhere', label_space='asia')
    assert result.dataset == 'asia' and result.threshold == 0.1


def test_a_model_that_is_set_to_it_already(model, image):
    expected = multi_label_inference(model, image, 'city')
    model.test_cfg['multi_label'] = 0.9
    try:
        again = multi_label_inference(model, image, 'city')
    finally:
        del model.test_cfg['multi_label']
    assert again.threshold == 0.1 and np.array_equal(again.combined, expected.combined)


@pytest.mark.parametrize(('options', 'words'), [
    ({}, 'name the dataset.*city, asia, atlas'),
    ({'dataset': 'unified'}, "'unified': name a dataset of the model, city, asia, atlas"),
    ({'dataset': 'moon'}, "'moon': name a dataset.*as label_space"),
    ({'dataset': 'city', 'label_space': 'moon'}, "'moon': name a dataset"),
    ({'dataset': 'city', 'threshold': 2}, 'threshold 2: a score from 0 to 1')])
def test_bad_arguments(model, image, options, words):
    with pytest.raises(ValueError, match=words):
        multi_label_inference(model, image, **options)
