"""The backbone of a trained model as weights that stock models start from."""

import subprocess
import sys
import textwrap

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.models.segmentors import EncoderDecoder

from mmseg_multids.apis.export_backbone import export_backbone
from mmseg_multids.models.layers import collapse_dsbn
from mmseg_multids.registry import MODELS

from ..test_models.toy import FCN
from .test_export import BN, DS, FCN2, NARROW, save


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmseg')


def stock(checkpoint, **backbone) -> EncoderDecoder:
    """A model of plain MMSegmentation that starts from the file, by its own way."""
    model = MODELS.build({
        'type': 'EncoderDecoder', 'decode_head': {**FCN, 'in_channels': 64, 'num_classes': 5},
        'backbone': {**NARROW, **backbone, 'init_cfg': {'type': 'Pretrained',
                                                        'checkpoint': str(checkpoint)}}})
    model.init_weights()
    return model


def read(file):
    return torch.load(file, weights_only=True)


def trained_model(saved):
    config, checkpoint = saved
    model = MODELS.build(Config.fromfile(config).model).eval()
    model.load_state_dict(torch.load(checkpoint)['state_dict'])
    return model


def image():
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(5))


def assert_equal_maps(ours, theirs):
    assert len(ours) == len(theirs) == 4
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs))


def as_pretrainer(saved):
    """Turn a segmentor's checkpoint into one of a query encoder and its momentum copy."""
    config, checkpoint = saved
    stored, cfg = torch.load(checkpoint), Config.fromfile(config)
    state = {f'encoder.{key}': value for key, value in stored['state_dict'].items()}
    # Other weights, listed first.
    state = {**{f'momentum_encoder.{key}': value + 1 if value.is_floating_point() else value
                for key, value in stored['state_dict'].items()}, **state}
    cfg.model = {'type': 'SomePretrainer', 'encoder': cfg.model}
    file = checkpoint.with_name('pretrained.pth')
    torch.save({'meta': {'cfg': cfg.pretty_text}, 'state_dict': state}, file)
    return file


# ------------------------------------------------------------------ round trips


def test_a_stock_model_starts_from_the_file(tmp_path):
    saved = save(tmp_path, FCN2)
    done = export_backbone(saved[1])
    assert done.checkpoint == tmp_path / 'backbone.pth' and done.difference == 0
    model = stock(done.checkpoint)
    # MMEngine loads leniently: that nothing is missing or left over has to be looked at.
    written = read(done.checkpoint)['state_dict']
    result = model.backbone.load_state_dict(written, strict=False)
    assert result.missing_keys == [] and result.unexpected_keys == []
    assert done.tensors == len(written) == len(model.backbone.state_dict())
    ours = trained_model(saved)
    assert_equal_maps(ours.backbone(image()), model.eval().backbone(image()))


def test_the_file_says_what_it_is_and_holds_nothing_else(tmp_path):
    config, checkpoint = save(tmp_path, FCN2, DS)
    cfg = Config.fromfile(config)
    cfg.model.backbone.init_cfg = {'type': 'Pretrained', 'checkpoint': 'somewhere.pth'}
    done = export_backbone(checkpoint, tmp_path / 'new' / 'weights.pth', cfg, 'two')
    stored = read(done.checkpoint)
    assert set(stored) == {'meta', 'state_dict'}
    meta = stored['meta']
    assert 'backbone' in meta['description'] and meta['source'] == 'trained.pth'
    assert (meta['prefix'], meta['norm']) == ('backbone.', 'two')
    assert meta['data_preprocessor']['std'] == [255, 255, 255]
    assert meta['backbone']['norm_cfg'] == {'type': 'BN', 'requires_grad': True, 'eps': 1e-3}
    assert 'init_cfg' not in meta['backbone']
    MODELS.build(meta['backbone']).load_state_dict(stored['state_dict'], strict=True)
    # Views would drag the rows of all other datasets along.
    assert all(v.untyped_storage().nbytes() == v.numel() * v.element_size()
               for v in stored['state_dict'].values())


def test_of_a_pretrainer_it_is_the_query_encoders(tmp_path):
    saved = save(tmp_path, FCN2)
    done = export_backbone(as_pretrainer(saved), tmp_path / 'query.pth')
    assert read(done.checkpoint)['meta']['prefix'] == 'encoder.backbone.'
    assert_equal_maps(trained_model(saved).backbone(image()),
                      stock(done.checkpoint).eval().backbone(image()))


def test_a_pretrainer_with_its_network_beside_its_own_arguments(tmp_path):
    saved = save(tmp_path, FCN2)
    file = as_pretrainer(saved)
    cfg = Config.fromfile(saved[0])
    cfg.model.type = 'SomePretrainer'
    export_backbone(file, tmp_path / 'query.pth', cfg)
    export_backbone(saved[1], tmp_path / 'segmentor.pth')
    ours, theirs = (read(tmp_path / f'{name}.pth')['state_dict'] for name in ('query', 'segmentor'))
    assert list(ours) == list(theirs) and all(torch.equal(ours[k], theirs[k]) for k in ours)


@pytest.mark.parametrize('pretrainer', [False, True], ids=['segmentor', 'pretrainer'])
@pytest.mark.parametrize('norm', ['one', 'two', 'mean'])
@pytest.mark.parametrize(('norm_cfg', 'changes'), [
    (DS, {}), (BN, {'dataset_norm': {}}), (BN, {'dataset_norm': {'share': 'affine'}})],
    ids=['norm_cfg', 'dataset_norm', 'shared_affine'])
def test_one_set_of_dataset_specific_batch_norms(tmp_path, norm, norm_cfg, changes, pretrainer):
    saved = save(tmp_path, FCN2, norm_cfg, **changes)
    checkpoint = as_pretrainer(saved) if pretrainer else saved[1]
    done = export_backbone(checkpoint, norm=norm)
    assert done.difference == 0
    options = {'norm_cfg': {'type': 'BN', 'eps': 1e-3 if norm_cfg is DS else 1e-5}}
    theirs = stock(done.checkpoint, **options).eval().backbone(image())
    ours = trained_model(saved)
    with ours.context.batch(None, None, [norm, norm]):
        assert_equal_maps(ours.backbone(image()), theirs)
    collapse_dsbn(ours, norm)
    written = read(done.checkpoint)['state_dict']
    assert set(written) == set(ours.backbone.state_dict())
    for name in {'one', 'two'} - {norm}:
        done = export_backbone(checkpoint, tmp_path / f'{name}.pth', norm=name)
        other = read(done.checkpoint)['state_dict']
        assert not torch.equal(other['bn1.running_mean'], written['bn1.running_mean'])


STOCK_PROCESS = textwrap.dedent("""
    import sys
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS
    import mmseg.models, torch

    init_default_scope('mmseg')
    cfg = torch.load(sys.argv[1], weights_only=True)['meta']['backbone']
    backbone = MODELS.build({**cfg, 'init_cfg': {'type': 'Pretrained', 'checkpoint': sys.argv[1]}})
    backbone.init_weights()
    assert 'mmseg_multids' not in sys.modules
    backbone.eval()
    torch.save([m.detach() for m in backbone(torch.load(sys.argv[2]))], sys.argv[3])
""")


def test_where_this_package_is_not_imported(tmp_path):
    saved = save(tmp_path, FCN2, DS)
    done = export_backbone(saved[1], norm='one')
    torch.save(image(), tmp_path / 'image.pt')
    (tmp_path / 'stock.py').write_text(STOCK_PROCESS)
    result = subprocess.run([sys.executable, '-I', 'stock.py', str(done.checkpoint), 'image.pt',
                             'maps.pt'], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    ours = trained_model(saved)
    with ours.context.batch(['one', 'one']):
        assert_equal_maps(ours.backbone(image()), torch.load(tmp_path / 'maps.pt'))


# ------------------------------------------------------------------ refusals


def test_an_existing_file_is_replaced_on_demand_alone(tmp_path):
    _, checkpoint = save(tmp_path, FCN2)
    (tmp_path / 'backbone.pth').write_text('mine')
    with pytest.raises(FileExistsError, match=r'backbone.pth exists already; .*\(--force\)'):
        export_backbone(checkpoint)
    assert (tmp_path / 'backbone.pth').read_text() == 'mine'
    assert export_backbone(checkpoint, force=True).tensors == len(
        read(tmp_path / 'backbone.pth')['state_dict'])


@pytest.fixture
def toy(tmp_path):
    return save(tmp_path / 'toy', FCN2, DS)


@pytest.mark.parametrize(('norm', 'words'), [
    (None, r'say whose with --norm \(one, two, mean\)'),
    ('moon', "norm='moon': allowed are one, two, mean"),
])
def test_norms_that_do_not_do(toy, norm, words):
    with pytest.raises(ValueError, match=words):
        export_backbone(toy[1], norm=norm)
    assert not (toy[1].parent / 'backbone.pth').exists()


def test_a_norm_where_there_is_nothing_to_choose(tmp_path):
    with pytest.raises(ValueError, match="norm='mean': .*no dataset-specific batch norms"):
        export_backbone(save(tmp_path, FCN2)[1], norm='mean')


def test_a_config_of_another_depth(tmp_path):
    config, checkpoint = save(tmp_path, FCN2)
    other = Config.fromfile(config)
    other.model.backbone.depth = 34
    other.dump(tmp_path / 'deeper.py')
    with pytest.raises(ValueError, match=r'(?s)the backbone in checkpoint .*trained.pth does not '
                                         r'fit config .*deeper.py: .*layer1.2.conv1.weight'):
        export_backbone(checkpoint, config=tmp_path / 'deeper.py')
    with pytest.raises(ValueError, match='does not fit the config in it'):
        export_backbone(checkpoint, cfg_options={'model.backbone.depth': 34})
    assert not (tmp_path / 'backbone.pth').exists()


def test_files_without_a_backbone(tmp_path):
    config, checkpoint = save(tmp_path, FCN2)
    stored = torch.load(checkpoint)
    head = {k: v for k, v in stored['state_dict'].items() if not k.startswith('backbone.')}
    torch.save({**stored, 'state_dict': head}, tmp_path / 'head.pth')
    with pytest.raises(ValueError, match=r'head.pth has no backbone: no weight begins with '
                                         r'encoder.backbone. or backbone.; it has .*decode_head'):
        export_backbone(tmp_path / 'head.pth')
    # What was exported before is such a file, too.
    done = export_backbone(checkpoint)
    with pytest.raises(ValueError, match='does not hold its config'):
        export_backbone(done.checkpoint, tmp_path / 'again.pth')
    with pytest.raises(ValueError, match='no backbone: .*it has bn1, conv1, layer1'):
        export_backbone(done.checkpoint, tmp_path / 'again.pth', config)
    with pytest.raises(ValueError, match='the config: the model has no backbone'):
        export_backbone(checkpoint, tmp_path / 'x.pth', Config({'model': {'type': 'X'}}))


def test_weights_of_a_training_that_diverged(tmp_path):
    _, checkpoint = save(tmp_path, FCN2)
    stored = torch.load(checkpoint)
    stored['state_dict']['backbone.bn1.running_var'][3] = float('nan')
    torch.save(stored, checkpoint)
    with pytest.raises(ValueError, match=r'1 tensors of the backbone are not finite '
                                         r'\(backbone.bn1.running_var'):
        export_backbone(checkpoint)


def test_places_that_cannot_be_written_to(tmp_path):
    _, checkpoint = save(tmp_path, FCN2)
    before = checkpoint.read_bytes()
    with pytest.raises(ValueError, match='is the checkpoint itself'):
        export_backbone(checkpoint, checkpoint)
    with pytest.raises(ValueError, match='is a folder; a backbone is one file'):
        export_backbone(checkpoint, tmp_path)
    with pytest.raises(ValueError, match=r'name the file to write \(--out FILE\)'):
        export_backbone('https://example.org/model.pth')
    with pytest.raises(FileNotFoundError, match='nothing.pth does not exist'):
        export_backbone(tmp_path / 'nothing.pth')
    assert checkpoint.read_bytes() == before


def test_backbones_that_plain_mmsegmentation_lacks(tmp_path):
    @MODELS.register_module(force=True)
    class OddResNet(MODELS.get('ResNet')):
        pass

    try:
        _, checkpoint = save(tmp_path, FCN2)
        with pytest.raises(TypeError, match='the backbone has OddResNet.*not in plain MMSegm'):
            export_backbone(checkpoint, cfg_options={'model.backbone.type': 'OddResNet'})
    finally:
        MODELS.module_dict.pop('OddResNet')


def test_a_backbone_that_came_out_different_is_not_written(toy, monkeypatch):
    from mmseg_multids.apis import export_backbone as module
    right = module.plain_state_dict
    monkeypatch.setattr(module, 'plain_state_dict',
                        lambda model, norm: right(model, 'one' if norm == 'two' else 'two'))
    with pytest.raises(RuntimeError, match='differs from the trained one: feature maps'):
        export_backbone(toy[1], norm='two')
    assert not (toy[1].parent / 'backbone.pth').exists()
