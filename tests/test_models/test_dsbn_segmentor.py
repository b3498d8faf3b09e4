"""Dataset-specific batch norm inside a segmentor."""

import copy
import re

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.runner import load_checkpoint, save_checkpoint
from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS
from torch import nn

from mmseg_multids.models import DSBN, collapse_dsbn
from mmseg_multids.models.layers import dsbn_layers

from .toy import DATASETS, FCN, batch, build, model_cfg

DS = {'type': 'DSBN', 'requires_grad': True}
BACKBONE = {'type': 'ResNet', 'depth': 18, 'num_stages': 4, 'out_indices': (0, 1, 2, 3),
            'strides': (1, 2, 2, 2), 'dilations': (1, 1, 1, 1), 'norm_cfg': DS}
HEAD = {**FCN, 'norm_cfg': DS}


def losses_of(model, names, seed=None):
    data = model.data_preprocessor(batch(names), True)
    return model(**data, mode='loss')


def test_norm_cfg_and_the_switch_build_the_same_model():
    by_cfg = build(HEAD, backbone=BACKBONE)
    by_switch = build(dataset_norm={})
    assert {k: v.shape for k, v in by_cfg.state_dict().items()} == \
        {k: v.shape for k, v in by_switch.state_dict().items()}
    assert len(dsbn_layers(by_cfg)) == 21
    assert all(layer.layer_name == name for name, layer in dsbn_layers(by_cfg).items())
    plain = build()
    assert {k for k in plain.state_dict()} == \
        {k for k in by_cfg.state_dict() if not k.endswith('dataset_names')}


@pytest.mark.parametrize('names', [['one'] * 4, ['two', 'one', 'two', 'one'],
                                   ['two', 'two', 'one', 'one'], ['one', 'one', 'two', 'two']])
@pytest.mark.parametrize('order', [1, -1])
def test_a_mixed_batch_has_the_losses_of_its_datasets_alone(names, order):
    model = build(dataset_norm={}, datasets=DATASETS[::order])
    with torch.no_grad():  # datasets that differ, so that one cannot stand for another
        model.backbone.bn1.weight[0] *= 3
    data = model.data_preprocessor(batch(names), True)
    losses = copy.deepcopy(model)(**data, mode='loss')
    for dataset in sorted(set(names)):
        where = [i for i, name in enumerate(names) if name == dataset]
        alone = copy.deepcopy(model)(inputs=data['inputs'][where],
                                     data_samples=[data['data_samples'][i] for i in where],
                                     mode='loss')
        share = len(where) / len(names)
        torch.testing.assert_close(losses[f'decode.{dataset}.loss_ce'],
                                   alone[f'decode.{dataset}.loss_ce'] * share)


@pytest.mark.parametrize('summed', [False, True])
def test_backbones_with_checkpointing(summed):
    """Both datasets go forward before backward, as a user's own loop might do."""
    grads = []
    for with_cp in (False, True):
        model = build(HEAD, backbone={**BACKBONE, 'with_cp': with_cp})
        model.train()
        losses = [sum(v for k, v in losses_of(model, [name] * 2).items() if 'loss' in k)
                  for name in ('one', 'two')]
        if summed:
            sum(losses).backward()
        else:
            for loss in losses:
                loss.backward()
        grads.append({**{k: p.grad for k, p in model.named_parameters()},
                      **{k: v for k, v in model.named_buffers() if 'running' in k}})
    for key, expected in grads[0].items():
        torch.testing.assert_close(grads[1][key], expected, rtol=1e-4, atol=1e-5, msg=key)


def test_predictions_use_the_samples_datasets_whatever_they_are_read_as():
    model = build(dataset_norm={})
    for name in ('one', 'two'):
        for _ in range(3):
            losses_of(model, [name] * 2)
    with torch.no_grad():
        for layer in dsbn_layers(model).values():
            layer.weight[1] *= 1.5
    model.eval()
    own = model.test_step(batch(['one', 'two']))
    swapped = model.test_step(batch(['one', 'two'], label_space='two'))
    torch.testing.assert_close(own[1].seg_logits.data, swapped[1].seg_logits.data)
    assert swapped[0].seg_logits.data.shape[0] == 4
    as_two = model.test_step(batch(['two', 'two']))[0]
    assert not torch.allclose(as_two.seg_logits.data, swapped[0].seg_logits.data)


def trained_apart():
    """A model whose datasets have clearly different statistics, and images of each."""
    model = build(dataset_norm={})
    torch.manual_seed(0)
    looks = {'one': (0.2, 0.05), 'two': (0.7, 0.3)}
    model.train()
    for layer in dsbn_layers(model).values():
        layer.momentum = None  # the average: nothing is left of the initial statistics
    with torch.no_grad():
        for _ in range(20):
            for name, (mean, std) in looks.items():
                with model.context.batch([name] * 4):
                    model.extract_feat(torch.randn(4, 3, 32, 32) * std + mean)
    model.eval()
    images = {name: torch.randn(2, 3, 32, 32) * std + mean for name, (mean, std) in looks.items()}
    return model, images


def test_unseen_datasets_need_a_choice():
    model, images = trained_apart()
    with pytest.raises(ValueError, match="norm_fallback to 'nearest', 'mean' or one of one, two"):
        model.predict(images['one'], batch([None, None])['data_samples'])
    model.test_cfg['norm_fallback'] = 'three'
    with pytest.raises(ValueError, match="norm_fallback='three': allowed are nearest, mean, one"):
        model.predict(images['one'], batch([None, None])['data_samples'])


@pytest.mark.parametrize('alternating', [True, False])
def test_the_nearest_dataset_is_found_image_by_image_and_reported(alternating):
    model, images = trained_apart()
    mixed = torch.cat([images['two'], images['one']])
    if alternating:
        mixed = mixed[[0, 2, 3, 1]]
    nearest = ['two', 'one', 'one', 'two'] if alternating else ['two', 'two', 'one', 'one']
    assert model.nearest_datasets(mixed) == nearest
    assert not model.training and model.context.distances is None
    model.test_cfg.update(norm_fallback='nearest', label_space='one')
    results = model.predict(mixed, batch([None] * 4)['data_samples'])
    assert [r.metainfo['norm_dataset'] for r in results] == nearest
    known = model.predict(images['two'][:1], batch(['two'], label_space='one')['data_samples'])
    torch.testing.assert_close(results[0].seg_logits.data, known[0].seg_logits.data)
    assert 'norm_dataset' not in known[0].metainfo


@pytest.mark.parametrize('choice', ['mean', 'two'])
def test_other_fallbacks(choice):
    model, images = trained_apart()
    model.test_cfg.update(norm_fallback=choice, label_space='one')
    result = model.predict(images['one'], batch([None, None])['data_samples'])[0]
    assert result.metainfo['norm_dataset'] == choice
    other = 'two' if choice == 'mean' else 'one'
    model.test_cfg.update(norm_fallback=other)
    again = model.predict(images['one'], batch([None, None])['data_samples'])[0]
    assert not torch.equal(result.seg_logits.data, again.seg_logits.data)


def test_a_plain_forward_falls_back_too():
    model, images = trained_apart()
    samples = batch([None, None])['data_samples']
    for sample in samples:
        sample.set_metainfo({'dataset': 'elsewhere'})
    with pytest.raises(ValueError, match='norm_fallback'):
        model._forward(images['one'], samples)
    model.test_cfg['norm_fallback'] = 'one'
    assert len(model._forward(images['one'], samples)) == 2


def test_a_collapsed_segmentor_trains_on():
    model = build(dataset_norm={})
    collapse_dsbn(model, 'one')
    losses_of(model.train(), ['one', 'two'])


def test_imagenet_style_weights_reach_every_dataset(tmp_path):
    donor = ResNet(18)
    donor.init_weights()
    donor.train()
    donor(torch.randn(2, 3, 64, 64))
    save_checkpoint({'state_dict': {**donor.state_dict(), 'fc.weight': torch.zeros(10, 512)}},
                    str(tmp_path / 'resnet18.pth'))
    model = build(HEAD, backbone={**BACKBONE, 'init_cfg': {
        'type': 'Pretrained', 'checkpoint': str(tmp_path / 'resnet18.pth')}})
    for i in range(2):
        assert torch.equal(model.backbone.bn1.running_mean[i], donor.bn1.running_mean)
        assert torch.equal(model.backbone.layer4[1].bn2.weight[i], donor.layer4[1].bn2.weight)
    assert torch.equal(model.backbone.conv1.weight, donor.conv1.weight)


def test_norm_eval_and_frozen_stages():
    model = build(HEAD, backbone={**BACKBONE, 'norm_eval': True, 'frozen_stages': 1})
    model.train()
    layers = {k: v for k, v in dsbn_layers(model).items() if k.startswith('backbone')}
    assert layers and not any(layer.training for layer in layers.values())
    before = {k: layer.running_mean.clone() for k, layer in layers.items()}
    names = ['one', 'one', 'two', 'two']
    sum(v for k, v in losses_of(model, names).items() if 'loss' in k).backward()
    assert all(torch.equal(before[k], layer.running_mean) for k, layer in layers.items())
    assert not model.backbone.bn1.weight.requires_grad
    assert not model.backbone.layer1[0].bn1.weight.requires_grad
    assert model.backbone.layer2[0].bn1.weight.requires_grad


def test_norm_decay_mult_reaches_the_layers():
    model = build(dataset_norm={})
    wrapper = build_optim_wrapper(model, {
        'type': 'OptimWrapper', 'optimizer': {'type': 'SGD', 'lr': 0.1, 'weight_decay': 0.01},
        'paramwise_cfg': {'norm_decay_mult': 0.0}})
    decay = {id(p): group['weight_decay'] for group in wrapper.optimizer.param_groups
             for p in group['params']}
    assert decay[id(model.backbone.bn1.weight)] == 0.0
    assert decay[id(model.backbone.conv1.weight)] == 0.01


def test_replaced_layers_are_noticed():
    model = nn.SyncBatchNorm.convert_sync_batchnorm(MODELS.build(model_cfg(dataset_norm={})))
    with pytest.raises(RuntimeError, match='has become a SyncBatchNorm.*sync=True'):
        model.init_weights()
    with pytest.raises(RuntimeError, match='Remove sync_bn'):
        model.train()


@pytest.mark.parametrize(('trained', 'config', 'words'), [
    ({'dataset_norm': {}}, {}, 'bn1.weight .2, 64. instead of .64.(.|\n)*see model.dataset_norm'),
    ({}, {'backbone': {**BACKBONE, 'norm_cfg': {'type': 'BN'}, 'base_channels': 32}},
     'tensor.s. of other shapes'),
    ({}, {'backbone': {**BACKBONE, 'norm_cfg': {'type': 'BN'}, 'depth': 34}}, 'missing tensor'),
])
def test_checkpoints_of_another_network_are_refused(tmp_path, trained, config, words):
    """MMEngine would warn, and test a network of random weights."""
    model = build(**trained)
    save_checkpoint({'state_dict': model.state_dict()}, str(tmp_path / 'a.pth'))
    head = {**FCN, 'in_channels': 256} if 'base_channels' in str(config) else None
    other = MODELS.build(model_cfg(head, **config))
    with pytest.raises(ValueError, match='trained with another network') as error:
        load_checkpoint(other, str(tmp_path / 'a.pth'))
    assert re.search(words, str(error.value))


def test_ordinary_batch_norms_and_missing_auxiliary_heads_load(tmp_path):
    save_checkpoint({'state_dict': build().state_dict()}, str(tmp_path / 'a.pth'))
    auxiliary = {'type': 'UniSegHead', 'head': {**FCN, 'in_channels': 256, 'in_index': 2}}
    load_checkpoint(MODELS.build(model_cfg(dataset_norm={}, auxiliary_head=auxiliary)),
                    str(tmp_path / 'a.pth'))


def test_a_shared_affine_becomes_every_datasets(tmp_path):
    shared = build(dataset_norm={'share': 'affine'})
    torch.nn.init.uniform_(shared.backbone.bn1.weight)
    own = MODELS.build(model_cfg(dataset_norm={}))
    own.load_state_dict(shared.state_dict())
    for row in range(2):
        assert torch.equal(own.backbone.bn1.weight[row], shared.backbone.bn1.weight)


def test_misspelt_options_are_noticed_when_the_model_is_built():
    with pytest.raises(ValueError, match="no option 'shar'; allowed: share, sync, single_value"):
        build(dataset_norm={'shar': 'affine'})
    with pytest.raises(ValueError, match="norm_fallback='nearst'"):
        build(dataset_norm={}, test_cfg={'mode': 'whole', 'norm_fallback': 'nearst'})


def test_checkpoints_of_other_dataset_lists():
    model = build(dataset_norm={})
    other = MODELS.build(model_cfg(dataset_norm={}, datasets=DATASETS[:1]))
    with pytest.raises(ValueError, match='another label space'):
        other.load_state_dict(model.state_dict())


@pytest.mark.parametrize('space', ['disjoint', 'by_name'])
def test_checkpoints_of_the_same_datasets_in_another_order(space):
    """Rows of layers and classifiers are matched by name."""
    cfg = {'dataset_norm': {}, 'label_space': {'type': space}}
    model = build(**cfg)
    with torch.no_grad():
        for key, value in model.state_dict().items():
            if value.is_floating_point() and ('bn' in key or 'classifier' in key):
                value.uniform_(0.5, 1.0)
    other = MODELS.build(model_cfg(datasets=DATASETS[::-1], **cfg))
    assert other.label_space.nodes != model.label_space.nodes
    other.load_state_dict(model.state_dict())
    expected, found = (m.eval().test_step(batch(['one', 'two'])) for m in (model, other))
    for a, b in zip(expected, found):
        torch.testing.assert_close(b.seg_logits.data, a.seg_logits.data, rtol=0, atol=0)


def test_the_layers_survive_a_deep_copy_together_with_their_context():
    model = build(dataset_norm={})
    twin = copy.deepcopy(model)
    assert all(layer.context is twin.context for layer in dsbn_layers(twin).values())
    assert isinstance(twin.backbone.bn1, DSBN) and twin.context is not model.context


@pytest.mark.parametrize('norm', [None, {}])
def test_finetuning_takes_all_but_the_classifiers(tmp_path, norm):
    donor = build(datasets=DATASETS[:1])
    with torch.no_grad():
        for value in (*donor.parameters(), *donor.buffers()):
            if value.is_floating_point():
                value.uniform_(0.5, 1.0)
    save_checkpoint({'state_dict': donor.state_dict()}, str(tmp_path / 'donor.pth'))
    model = build(dataset_norm=norm, finetune_from=str(tmp_path / 'donor.pth'))
    given = donor.state_dict()
    for key, value in model.state_dict().items():
        if 'classifier' in key:
            assert value.shape != given[key].shape
        elif 'label_space' not in key and 'dataset_names' not in key:
            assert torch.equal(value, given[key].expand_as(value)), key


def test_finetuning_from_another_network_is_refused(tmp_path):
    donor = build({**FCN, 'channels': 16})
    save_checkpoint({'state_dict': donor.state_dict()}, str(tmp_path / 'donor.pth'))
    words = r'donor.pth: the weights do not fit(.|\n)*convs.0.conv.weight'
    with pytest.raises(ValueError, match=words):
        build(finetune_from=str(tmp_path / 'donor.pth'))
    save_checkpoint({'state_dict': donor.backbone.state_dict()}, str(tmp_path / 'part.pth'))
    with pytest.raises(ValueError, match='part.pth: it has no weights for .* tensors'):
        build(finetune_from=str(tmp_path / 'part.pth'))
