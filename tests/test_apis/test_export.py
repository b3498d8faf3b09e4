"""One dataset of a model as a model of plain MMSegmentation."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image
from torch import nn

from mmseg_multids.apis import inference, init_model
from mmseg_multids.apis.export import export
from mmseg_multids.files import replacing
from mmseg_multids.label_spaces import LabelSpace, UnifiedLabelSpace
from mmseg_multids.models import LinearNodeClassifier
from mmseg_multids.registry import MODELS, TRANSFORMS

from ..test_models.toy import DATASETS, FCN, batch, model_cfg

PIPELINE = [{'type': 'LoadImageFromFile'}, {'type': 'Resize', 'scale': (80, 48)},
            {'type': 'LoadLabelMap'}, {'type': 'PackSegInputs'}]
BN = {'type': 'BN', 'requires_grad': True}
DS = {'type': 'DSBN', 'requires_grad': True, 'share': None, 'sync': True,
      'single_value': 'running', 'eps': 1e-3}
#: An eighth of ResNet-18's width: files are written and read often.
NARROW = {**model_cfg()['backbone'], 'stem_channels': 8, 'base_channels': 8}
FCN2 = {**FCN, 'in_channels': 64, 'dropout_ratio': 0.1}
MULTI = {'in_channels': [8, 16, 32, 64], 'in_index': [0, 1, 2, 3], 'channels': 8}
HEADS = {
    'fcn': FCN2,
    'psp': {'type': 'PSPHead', 'in_channels': 64, 'in_index': 3, 'channels': 8,
            'pool_scales': (1, 2, 3), 'align_corners': True},
    'segformer': {'type': 'SegformerHead', **MULTI},
    'uper': {'type': 'UPerHead', **MULTI, 'pool_scales': (1, 2)},
}


def several_nodes(path):
    """A label space in which `sky` of `one` is read from two nodes."""
    spaces = [LabelSpace(d['name'], d['metainfo']['classes']) for d in DATASETS]
    space = UnifiedLabelSpace(['person', 'road', 'sky', 'tree', 'car'], spaces,
                              {'one': [-1, 0, 1, 1, 2], 'two': [3, 2, 0, 1, -1]})
    space.to_json(path)
    return {'type': 'file', 'path': str(path)}


def shake(model, seed=0):
    """Give every parameter and statistic a value of its own."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            if 'running_var' in name:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            elif tensor.is_floating_point() and ('bn' in name or 'classifier' in name
                                                 or 'running' in name):
                tensor.add_(torch.randn(tensor.shape, generator=generator) * 0.3)
    return model.eval()


def save(folder, head, norm_cfg=BN, name='trained', pipeline=PIPELINE, **changes):
    """Write config and checkpoint of a toy model, as training would."""
    backbone = {**NARROW, 'norm_cfg': norm_cfg}
    cfg = Config({'default_scope': 'mmseg', 'test_pipeline': pipeline,
                  'model': model_cfg({**head, 'norm_cfg': norm_cfg}, backbone=backbone, **changes)})
    folder.mkdir(exist_ok=True, parents=True)
    cfg.dump(folder / f'{name}_cfg.py')
    torch.manual_seed(0)
    model = shake(MODELS.build(Config.fromfile(folder / f'{name}_cfg.py').model))
    torch.save({'meta': {'cfg': cfg.pretty_text}, 'state_dict': model.state_dict()},
               folder / f'{name}.pth')
    return folder / f'{name}_cfg.py', folder / f'{name}.pth'


def aux(norm_cfg):
    return {'type': 'UniSegHead', 'head': {**FCN, 'in_channels': 32, 'in_index': 2,
                                           'norm_cfg': norm_cfg}}


CASES = {  # head, norm, label space, other keys, dataset, norm to keep
    'fcn_bn': ('fcn', BN, 'disjoint', {}, 'two', None),
    'fcn_dsbn': ('fcn', DS, 'by_name', {'auxiliary_head': [aux(DS), aux(DS)]}, 'two', None),
    'psp_switch': ('psp', BN, 'by_name', {'dataset_norm': {'share': 'affine'}}, 'one', None),
    'psp_several': ('psp', DS, 'several', {}, 'one', None),
    'segformer_bn': ('segformer', BN, 'several', {}, 'two', None),
    'segformer_dsbn': ('segformer', DS, 'disjoint', {
        'test_cfg': {'mode': 'slide', 'crop_size': (32, 32), 'stride': (24, 24),
                     'label_space': 'two', 'norm_fallback': 'nearest'}}, 'one', 'two'),
    'uper_dsbn': ('uper', DS, 'by_name', {'auxiliary_head': aux(DS)}, 'one', None),
    'uper_bn': ('uper', BN, 'disjoint', {'auxiliary_head': aux(BN)}, 'one', None),
    'unified_mean': ('segformer', DS, 'by_name', {}, 'unified', 'mean'),
    'unified_bn': ('fcn', BN, 'by_name', {}, 'unified', None),
}

# Loads and predicts where this package does not exist.
STOCK_PROCESS = textwrap.dedent("""
    import importlib.abc, sys

    class Absent(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name.partition('.')[0] == 'mmseg_multids':
                raise ModuleNotFoundError(f'{name} is absent here')

    sys.meta_path.insert(0, Absent())
    import torch
    from mmseg.apis import inference_model, init_model

    torch.set_num_threads(1)
    image, *configs = sys.argv[1:]
    results = {}
    for config in configs:
        model = init_model(config, config[:-3] + '.pth', device='cpu')
        result = inference_model(model, image)
        results[config] = {'logits': result.seg_logits.data, 'meta': dict(model.dataset_meta),
                           'type': type(model).__name__}
    assert not any(name.startswith('mmseg_multids') for name in sys.modules)
    torch.save(results, 'results.pth')
""")


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """Every case exported, and what a process without this package makes of it."""
    init_default_scope('mmseg')
    root = tmp_path_factory.mktemp('export')
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(root / 'image.png')
    trained, done = {}, {}
    for name, (head, norm_cfg, space, changes, dataset, norm) in CASES.items():
        space = several_nodes(root / 'space.json') if space == 'several' else {'type': space}
        trained[name] = save(root / name, HEADS[head], norm_cfg, label_space=space, **changes)
        config, checkpoint = trained[name]
        done[name] = export(checkpoint, dataset, root / name / 'plain', config, norm)
    (root / 'stock.py').write_text(STOCK_PROCESS)
    result = subprocess.run(
        [sys.executable, '-I', 'stock.py', 'image.png', *(str(d.config) for d in done.values())],
        cwd=root, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    return root, trained, done, torch.load(root / 'results.pth', weights_only=True)


@pytest.mark.parametrize('name', CASES)
def test_plain_mmsegmentation_gives_the_same_logits(exported, name):
    root, trained, done, results = exported
    dataset, norm = CASES[name][4:]
    model = init_model(*map(str, trained[name]), device='cpu')
    if dataset == 'unified':
        model.test_cfg['norm_fallback'] = norm
        ours = inference(model, root / 'image.png', dataset)
    else:
        ours = inference(model, root / 'image.png', norm or dataset, label_space=dataset)
    found = results[str(done[name].config)]
    assert found['type'] == 'EncoderDecoder'
    logits = ours.seg_logits.data
    assert logits.shape == found['logits'].shape and logits.shape[1:] == (50, 70)
    assert logits.std() > 0.1
    if dataset != 'unified' and model.label_space.classes_with_several_nodes(dataset):
        torch.testing.assert_close(found['logits'], logits, rtol=1e-5, atol=1e-5)
    else:
        assert torch.equal(found['logits'], logits) and done[name].difference == 0


@pytest.mark.parametrize('name', CASES)
def test_what_the_files_hold(exported, name):
    _, trained, done, results = exported
    dataset = CASES[name][4]
    model = init_model(*map(str, trained[name]), device='cpu')
    stored = torch.load(done[name].checkpoint, weights_only=True)
    space = model.label_space
    classes = space.nodes if dataset == 'unified' else space.space(dataset).classes
    assert set(stored) == {'meta', 'state_dict'}
    assert stored['meta'] == {'dataset_meta': results[str(done[name].config)]['meta']}
    assert stored['meta']['dataset_meta']['classes'] == list(classes)
    assert len(stored['meta']['dataset_meta']['palette']) == len(classes)
    # Views would drag the rows of all other datasets along.
    assert all(v.untyped_storage().nbytes() == v.numel() * v.element_size()
               for v in stored['state_dict'].values())
    cfg = Config.fromfile(done[name].config)
    text = done[name].config.read_text()
    assert set(cfg) == {'default_scope', 'model', 'test_pipeline'}
    for word in ('DSBN', 'UniSeg', 'classifier', 'label_space', 'norm_fallback', 'dataset_norm',
                 'sync', 'single_value', 'LoadLabelMap', str(done[name].config.parent)):
        assert word not in text
    assert cfg.model.decode_head.num_classes == len(classes)
    assert cfg.model.decode_head.loss_decode.type == 'CrossEntropyLoss'
    heads = cfg.model.get('auxiliary_head') or []
    for head in heads if isinstance(heads, list) else [heads]:
        assert head.num_classes == len(classes)
    assert [step.type for step in cfg.test_pipeline] == ['LoadImageFromFile', 'Resize',
                                                         'PackSegInputs']


def test_the_plain_model_can_be_trained_further(exported):
    done = exported[2]['fcn_dsbn']
    model = MODELS.build(Config.fromfile(done.config).model)
    model.load_state_dict(torch.load(done.checkpoint, weights_only=True)['state_dict'])
    losses = model(**model.data_preprocessor(batch(['two', 'two']), True), mode='loss')
    model.parse_losses(losses)[0].backward()
    assert model.auxiliary_head[1].conv_seg.weight.grad.abs().sum() > 0


def test_own_losses_become_stock_ones_and_weights_to_start_from_go(tmp_path):
    config, checkpoint = save(tmp_path, FCN2, decode_head={
        'type': 'UniSegHead', 'head': FCN2, 'ignore_index': 254,
        'sampler': {'type': 'OHEMPixelSampler', 'thresh': 0.7, 'min_kept': 10},
        'loss_decode': [{'type': 'PixelCrossEntropyLoss', 'loss_weight': 0.4},
                        {'type': 'PixelCrossEntropyLoss', 'space': 'unified'},
                        {'type': 'CrossEntropyLoss', 'class_weight': [1.0, 2.0]}]},
        label_space={'type': 'by_name'})
    cfg = Config.fromfile(config)
    cfg.model.backbone.init_cfg = {'type': 'Pretrained', 'checkpoint': 'somewhere.pth'}
    cfg.model.pretrained = None
    done = export(checkpoint, 'one', tmp_path / 'plain', cfg)
    assert [note.split(' ')[1] for note in done.notes] == ['PixelCrossEntropyLoss', 'of']
    model = Config.fromfile(done.config).model
    assert 'init_cfg' not in model.backbone and 'pretrained' not in model
    head = model.decode_head
    assert [loss.type for loss in head.loss_decode] == ['CrossEntropyLoss'] * 3
    assert head.loss_decode[0].loss_weight == 0.4
    assert 'class_weight' not in head.loss_decode[2]
    assert head.ignore_index == 254 and head.sampler.type == 'OHEMPixelSampler'


def test_what_only_training_needs_stays_behind(tmp_path):
    config, checkpoint = save(
        tmp_path, FCN2, DS, mixing={'region': 0.5, 'pixel': 0.5},
        decode_head={'type': 'UniSegHead', 'head': {**FCN2, 'norm_cfg': DS},
                     'contrast': {'images': 8, 'batch_size': 2, 'channels': 4}})
    assert any('.contrast.' in key for key in torch.load(checkpoint)['state_dict'])
    done = export(checkpoint, 'two', tmp_path / 'plain', config)
    assert done.difference == 0
    assert not any('contrast' in key for key in torch.load(done.checkpoint)['state_dict'])
    text = done.config.read_text()
    assert 'mixing' not in text and 'contrast' not in text


# ------------------------------------------------------------------ refusals


@pytest.fixture
def toy(tmp_path):
    return save(tmp_path / 'toy', FCN2, DS)


@pytest.mark.parametrize(('dataset', 'norm', 'words'), [
    ('moon', None, "unknown dataset 'moon'; known: one, two, unified"),
    ('one', 'moon', "norm='moon': allowed are one, two and 'mean'"),
    ('unified', None, 'say whose statistics to keep with norm .one, two. or norm=.mean.'),
])
def test_unknown_names(toy, tmp_path, dataset, norm, words):
    with pytest.raises(ValueError, match=words):
        export(toy[1], dataset, tmp_path / 'plain', toy[0], norm)
    assert not (tmp_path / 'plain').exists()


def test_a_norm_where_there_is_nothing_to_choose(tmp_path):
    with pytest.raises(ValueError, match='no dataset-specific batch norms'):
        export(save(tmp_path, FCN2)[1], 'one', norm='mean')


def test_other_classifiers_are_refused_by_name(tmp_path):
    @MODELS.register_module(force=True)
    class OddClassifier(LinearNodeClassifier):
        pass

    try:
        _, checkpoint = save(tmp_path, FCN2, decode_head={
            'type': 'UniSegHead', 'head': FCN2, 'classifier': {'type': 'OddClassifier'}})
        with pytest.raises(TypeError, match='decode_head: a OddClassifier cannot be exported'):
            export(checkpoint, 'one', tmp_path / 'plain')
    finally:
        MODELS.module_dict.pop('OddClassifier')


def test_parts_that_plain_mmsegmentation_lacks_are_named(tmp_path):
    @MODELS.register_module(force=True)
    class OddActivation(nn.ReLU):
        pass

    try:
        _, checkpoint = save(tmp_path, {**FCN2, 'act_cfg': {'type': 'OddActivation'}})
        with pytest.raises(TypeError, match='the model has OddActivation.*not in plain MMSegm'):
            export(checkpoint, 'one', tmp_path / 'plain')
    finally:
        MODELS.module_dict.pop('OddActivation')


@pytest.mark.parametrize(('pipeline', 'error', 'words'), [
    ([{'type': 'RenderToyWorld'}, *PIPELINE[1:]], TypeError, 'test_pipeline has RenderToyWorld'),
    ([PIPELINE[0], {'type': 'Nowhere'}], TypeError, 'Nowhere, which is not registered'),
    (None, ValueError, 'has no test_pipeline'),
])
def test_test_pipelines_that_cannot_be_kept(tmp_path, pipeline, error, words):
    assert TRANSFORMS.get('RenderToyWorld') is not None
    with pytest.raises(error, match=words):
        export(save(tmp_path, FCN2, pipeline=pipeline)[1], 'one', tmp_path / 'plain')
    assert not (tmp_path / 'plain').exists()


def test_missing_and_unfit_files(toy, tmp_path):
    with pytest.raises(FileNotFoundError, match='nothing.py does not exist'):
        export(toy[1], 'one', tmp_path / 'plain', 'nothing.py')
    with pytest.raises(FileNotFoundError, match='nothing.pth does not exist'):
        export('nothing.pth', 'one', tmp_path / 'plain')
    other = save(tmp_path / 'other', FCN2, label_space={'type': 'by_name'})
    with pytest.raises(ValueError, match=r'(?s)trained.pth does not fit config .*trained_cfg.py: '
                                         '.*nodes: 5 became 7'):
        export(other[1], 'one', tmp_path / 'plain', toy[0])
    state = torch.load(toy[1])['state_dict']
    torch.save({'meta': {}, 'state_dict': state}, tmp_path / 'bare.pth')
    with pytest.raises(ValueError, match=r'bare.pth does not hold its config; .*--config FILE'):
        export(tmp_path / 'bare.pth', 'one')
    del state['backbone.conv1.weight']
    torch.save({'state_dict': state}, tmp_path / 'half.pth')
    with pytest.raises(ValueError, match=r'1 missing tensor\(s\): backbone.conv1.weight'):
        export(tmp_path / 'half.pth', 'one', tmp_path / 'plain', toy[0])
    torch.save([1], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match='list.pth is no checkpoint'):
        export(tmp_path / 'list.pth', 'one', tmp_path / 'plain', toy[0])
    whole = toy[1].read_bytes()
    for name, held in (('text.pth', b'no weights'), ('empty.pth', b''),
                       ('part.pth', whole[:len(whole) // 2])):
        (tmp_path / name).write_bytes(held)
        with pytest.raises(ValueError, match=f'{name} is no checkpoint, or a part of one'):
            export(tmp_path / name, 'one', tmp_path / 'plain', toy[0])


def test_the_checkpoint_alone_is_enough(toy):
    assert export(toy[1], 'one').checkpoint == toy[1].parent / 'exported' / 'one.pth'
    done = export(toy[1], 'two', cfg_options={'model.test_cfg.mode': 'slide'})
    assert Config.fromfile(done.config).model.test_cfg.mode == 'slide'
    with pytest.raises(ValueError, match='name the folder to write into'):
        export('https://example.org/model.pth', 'one')


def test_a_stock_model_has_nothing_to_export(tmp_path):
    cfg = Config({'model': {
        **{k: v for k, v in model_cfg().items() if k not in ('datasets', 'label_space')},
        'type': 'EncoderDecoder', 'decode_head': {**FCN, 'num_classes': 4}}})
    torch.save({'state_dict': {}}, tmp_path / 'x.pth')
    with pytest.raises(TypeError, match='EncoderDecoder; a MultiDatasetSegmentor is needed'):
        export(tmp_path / 'x.pth', 'one', tmp_path / 'plain', cfg)


def test_a_model_that_came_out_different_is_not_written(toy, tmp_path, monkeypatch):
    from mmseg_multids.apis import export as module
    right = module.plain_state
    monkeypatch.setattr(module, 'plain_state', lambda *args: {
        key: value + 1 if key.endswith('conv_seg.bias') else value
        for key, value in right(*args).items()})
    with pytest.raises(RuntimeError, match='differs from ours: .*up to 1 apart'):
        export(toy[1], 'one', tmp_path / 'plain')
    assert not (tmp_path / 'plain').exists()


def test_files_are_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / 'file.txt'
    path.write_text('old')
    with pytest.raises(KeyError), replacing(path) as file:
        file.write_text('half')
        raise KeyError
    assert path.read_text() == 'old' and list(tmp_path.iterdir()) == [path]
    with replacing(path) as file:
        file.write_text('new')
    assert path.read_text() == 'new' and list(tmp_path.iterdir()) == [path]
