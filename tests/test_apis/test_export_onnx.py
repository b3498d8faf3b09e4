"""ONNX files of exported models."""

import json

import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.registry import MODELS

from mmseg_multids.apis import export_onnx as module
from mmseg_multids.apis.export import export
from mmseg_multids.apis.export_onnx import check_onnx_is_installed, export_onnx

from ..test_models.toy import model_cfg
from .test_export import DS, FCN2, HEADS, NARROW, save, shake


def plain(head):
    cfg = {k: v for k, v in model_cfg().items() if k not in ('datasets', 'label_space')}
    return shake(MODELS.build(ConfigDict({
        **cfg, 'type': 'EncoderDecoder', 'backbone': NARROW,
        'decode_head': {**head, 'num_classes': 3}})))


@pytest.fixture
def onnxruntime():
    for name in ('onnx', 'onnxscript'):
        pytest.importorskip(name)
    return pytest.importorskip('onnxruntime')


def test_pyramid_pooling_at_a_size_that_its_scales_do_not_divide(onnxruntime, tmp_path):
    size = (70, 101)
    model = plain({**HEADS['psp'], 'norm_cfg': {'type': 'BN'}})
    path = tmp_path / 'model.onnx'
    assert 0 < export_onnx(model, path, size, {'classes': ['a', 'b', 'ü']}) < 1e-4
    assert list(tmp_path.iterdir()) == [path]  # no second file with the weights
    session = onnxruntime.InferenceSession(str(path))
    image = torch.randn(1, 3, *size)
    with torch.no_grad():
        expected = model.encode_decode(image, [{'img_shape': size}])
    found, = session.run(['logits'], {'image': image.numpy()})
    assert found.shape == (1, 3, *size)
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-4)
    meta = session.get_modelmeta().custom_metadata_map
    assert json.loads(meta['classes']) == ['a', 'b', 'ü']


def test_a_file_that_differs_is_not_left(onnxruntime, tmp_path, monkeypatch):
    monkeypatch.setattr(module, '_TOLERANCE', 0.0)
    out, path = tmp_path / 'plain', tmp_path / 'model.onnx'
    path.write_text('an older file')
    with pytest.raises(RuntimeError, match='logits differ .* up to .*allowed: 0.; no file'):
        export(save(tmp_path / 'toy', FCN2, DS)[1], 'one', out, onnx=path, size=(32, 32),
               force=True)
    assert path.read_text() == 'an older file' and list(out.iterdir()) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ['model.onnx', 'plain', 'toy']


def test_what_cannot_be_exported_is_named(onnxruntime, tmp_path):
    @MODELS.register_module(force=True)
    class MoodyHead(MODELS.get('FCNHead')):
        def forward(self, inputs):
            logits = super().forward(inputs)
            return logits if float(logits.mean()) > 0 else -logits

    try:
        model = plain({**FCN2, 'type': 'MoodyHead'})
        with pytest.raises(ValueError, match='ResNet with MoodyHead cannot be exported .* 32 x 48'):
            export_onnx(model, tmp_path / 'model.onnx', (32, 48))
        assert list(tmp_path.iterdir()) == []
    finally:
        MODELS.module_dict.pop('MoodyHead')
    with pytest.raises(ValueError, match=r'size=\(0, 4\): height and width above 0'):
        export_onnx(plain(FCN2), tmp_path / 'model.onnx', (0, 4))


def test_missing_packages_are_said_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(module, '_NEEDED', ('onnx_of_nowhere',))
    with pytest.raises(ImportError, match=r'needs onnx_of_nowhere: pip install "mmseg_multids\[on'):
        export('nothing.pth', 'one', tmp_path, onnx='x.onnx')
    monkeypatch.undo()
    monkeypatch.setattr(torch.onnx, 'export', lambda model, args, f: None)
    monkeypatch.setattr(module, '_NEEDED', ())
    with pytest.raises(ImportError, match='needs torch 2.6 or later, this is'):
        check_onnx_is_installed()
