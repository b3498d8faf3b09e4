import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import inference_model
from PIL import Image

from mmseg_multids.apis import inference, init_model

QUICKSTART = 'configs/quickstart/quickstart_toyworld.py'


@pytest.fixture(scope='module')
def model():
    from ..conftest import ROOT
    torch.manual_seed(0)
    cfg = Config.fromfile(ROOT / QUICKSTART)
    cfg.model.decode_head.head.channels = 8
    return init_model(cfg, device='cpu')


@pytest.fixture
def image(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    Image.fromarray(array).save(tmp_path / 'image.png')
    return tmp_path / 'image.png', np.ascontiguousarray(array[..., ::-1])


@pytest.mark.parametrize(('dataset', 'channels'), [('city', 18), ('asia', 22), ('unified', 71)])
def test_files_and_arrays_give_the_same(model, image, dataset, channels):
    path, array = image
    result = inference(model, path, dataset=dataset)
    assert result.pred_sem_seg.data.shape == (1, 64, 96)
    assert result.seg_logits.data.shape == (channels, 64, 96)
    many = inference(model, [array, str(path)], dataset=dataset)
    assert all(torch.equal(r.seg_logits.data, result.seg_logits.data) for r in many)


def test_images_of_an_unseen_dataset(model, image):
    result = inference(model, image[0], dataset='elsewhere', label_space='asia')
    assert result.seg_logits.data.shape == (22, 64, 96)
    with pytest.raises(ValueError, match="unknown dataset 'elsewhere'.*label_space='city'"):
        inference(model, image[0], dataset='elsewhere')


def test_a_dataset_that_the_config_tests_is_read_by_names(model, image):
    model.cfg.test_dataloader.dataset.datasets.append(
        {'name': 'village', 'type': 'ToyWorldDataset', 'view': 'village'})
    result = inference(model, image[0], dataset='village')
    assert result.seg_logits.data.shape == (18, 64, 96)
    again = inference(model, image[0], dataset='elsewhere', label_space='village')
    assert again.metainfo['pred_classes'] == list(model.unseen['village'].classes)


def test_another_label_space(model, image):
    result = inference(model, image[0], dataset='city', label_space='asia')
    assert result.seg_logits.data.shape[0] == 22
    assert result.metainfo['dataset'] == 'city' and result.metainfo['label_space'] == 'asia'


def test_bad_arguments(model, image):
    with pytest.raises(ValueError, match='name the dataset.*city, asia, atlas'):
        inference(model, image[0])
    with pytest.raises(ValueError, match="'moon'; known: city, asia, atlas, unified"):
        inference(model, image[0], dataset='moon')
    with pytest.raises(FileNotFoundError, match='nothing.png'):
        inference(model, 'nothing.png', dataset='city')


def test_mmsegmentations_own_function_finds_the_pipeline(model, image):
    result = inference_model(model, str(image[0]))
    assert result.seg_logits.data.shape[0] == 71  # no dataset was named: all nodes
    assert len(model.dataset_meta['classes']) == 71


@pytest.mark.parametrize('as_file', [False, True])
def test_a_pretrainer_is_refused_with_what_to_do(as_file):
    from ..conftest import ROOT
    path = ROOT / 'configs' / 'mdp' / 'mdp_toyworld3.py'
    with pytest.raises(ValueError, match='mdp_toyworld3.py: the model is a pretrainer(.|\n)*'
                                         'tools/export.py iter_9.pth --backbone'):
        init_model(path if as_file else Config.fromfile(path), 'iter_9.pth', device='cpu')
