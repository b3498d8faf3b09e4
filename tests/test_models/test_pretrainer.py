"""Pretraining: each loss against its parts, and what the momentum encoder does."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper
from mmseg.structures import SegDataSample

from mmseg_multids.functional.contrast import (
    UNLABELLED,
    mixed_pixel_to_prototype,
    pixel_to_pixel,
    pixel_to_prototype,
    pixel_to_region,
    prototype_consistency,
    pseudo_labels,
)
from mmseg_multids.models import DSBN, MultiDatasetPretrainer
from mmseg_multids.registry import MODELS

from .toy import DATASETS, FCN, NORM, PixelData

PHOTOS = {'name': 'photos', 'type': 'UnlabelledImages', 'data_root': 'none'}
SIZE = (32, 32)


def build(**changes) -> MultiDatasetPretrainer:
    torch.manual_seed(0)
    model = MODELS.build({
        'type': 'MultiDatasetPretrainer', 'datasets': DATASETS,
        'data_preprocessor': {'type': 'SegDataPreProcessor', 'mean': [0, 0, 0],
                              'std': [255, 255, 255], 'size_divisor': 1},
        'backbone': {'type': 'ResNet', 'depth': 18, 'num_stages': 1, 'out_indices': (0,),
                     'strides': (1,), 'dilations': (1,), 'stem_channels': 8, 'base_channels': 8,
                     'norm_cfg': NORM},
        'decode_head': {**FCN, 'in_channels': 8, 'in_index': 0},
        'images': 8, 'batch_size': 4, 'channels': 6, 'momentum': 0.5, **changes})
    model.init_weights()
    return model.train()


def data(names=('one', 'two', 'one', 'two'), views=2, seed=0, blank=(), size=SIZE) -> dict:
    generator = torch.Generator().manual_seed(seed)
    shape = (views * size[0], size[1])
    samples = []
    for i, name in enumerate(names):
        labels = torch.randint(0, {'one': 3, 'two': 4}.get(name, 1), (1, *shape),
                               generator=generator)
        if i in blank or name == 'photos':
            labels.fill_(255)
        samples.append(SegDataSample(metainfo={'dataset': name, 'num_views': views},
                                     gt_sem_seg=PixelData(data=labels)))
    images = torch.rand(len(names), 3, *shape, generator=generator)
    return {'inputs': images, 'data_samples': samples}


def keys_and_ids(model, batch):
    """Embeddings of the momentum encoder and ids, as a step that follows would have them."""
    model = copy.deepcopy(model)
    views = model._views(**batch)
    model.momentum_encoder.follow(model.encoder)
    keys = model.momentum_encoder(views.pair, views.names, ('contrast',))['contrast']
    return views, keys, model.ids.at_size(views.ids, keys.shape[2:])


def moved(**changes):
    """A model whose encoders differ."""
    model = build(**changes)
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def test_views_are_taken_apart():
    batch = data(('two', 'one'), views=3)
    views = build()._views(**batch)
    assert views.names == ('one', 'one', 'two', 'two') and len(views.twins) == 1
    first = batch['inputs'][1]  # of dataset 'one'
    assert torch.equal(views.pair[0], first[:, :32]) and torch.equal(views.pair[1],
                                                                     first[:, 32:64])
    assert torch.equal(views.twins[0][0], first[:, 64:])
    labels = batch['data_samples'][0].gt_sem_seg.data[0]
    assert torch.equal(views.ids[2], labels[:32] + 3)


def test_the_bank_has_both_views_of_the_momentum_encoder_before_the_loss():
    model, batch = moved(), data(blank=(1,))
    views, keys, ids = keys_and_ids(model, batch)
    query = copy.deepcopy(model).encoder(views.pair, views.names, ('contrast',))['contrast']
    other = copy.deepcopy(model.bank)
    other.update((keys, ids))
    loss = model.loss(**batch)['loss_contrast']
    assert torch.equal(model.bank.total, other.total) and int(model.bank.updates) == 1
    # The mean over both views.
    each = [pixel_to_prototype(query[i::2], ids[i::2], *other.prototypes()) for i in (0, 1)]
    torch.testing.assert_close(loss, sum(each) / 2)


@pytest.mark.parametrize('kind', ['pixel', 'region'])
def test_baselines(kind):
    model, batch = moved(contrast=kind, regions=2), data()
    views, keys, ids = keys_and_ids(model, batch)
    query = copy.deepcopy(model).encoder(views.pair, views.names, ('contrast',))['contrast']
    loss = model.loss(**batch)['loss_contrast']
    if kind == 'pixel':
        each = [pixel_to_pixel(query[i::2], ids[i::2], keys[1 - i::2], ids[1 - i::2])
                for i in (0, 1)]
        torch.testing.assert_close(loss, sum(each) / 2)
        assert model.bank is None
    else:
        torch.testing.assert_close(loss, pixel_to_region(query, ids, *model.regions.stored()))
        assert len(model.regions.stored()[0]) == 14  # two of each class
    loss.backward()


@pytest.mark.parametrize('twins', [1, 2])
def test_consistency_has_a_projection_of_its_own_and_the_banks_prototypes(twins):
    model = moved(consistency={'weight': 0.3, 'temperature': 0.1, 'key_temperature': 0.05})
    batch = data(views=2 + twins)
    views, keys, ids = keys_and_ids(model, batch)
    twin_model = copy.deepcopy(model)
    query = twin_model.encoder(views.pair, views.names, ('consistency',))['consistency']
    twin_model.momentum_encoder.follow(model.encoder)
    losses = model.loss(**batch)
    each = []
    for i, twin in enumerate(views.twins):
        key = twin_model.momentum_encoder(twin, views.names[::2], ('consistency',))
        each.append(prototype_consistency(query[i::2], key['consistency'],
                                          *model.bank.prototypes(), 0.1, 0.05))
    torch.testing.assert_close(losses['loss_consistency'], 0.3 * sum(each) / twins)
    losses['loss_consistency'].backward()
    own = model.encoder.projections
    assert all(p.grad is not None and p.grad.abs().sum() > 0
               for p in own['consistency'].layers[0].parameters())
    assert all(p.grad is None for p in own['contrast'].parameters())
    assert all(p.grad is None for p in model.momentum_encoder.parameters())


@pytest.mark.parametrize('kind', ['region', 'pixel'])
def test_a_mixed_view_is_drawn_to_the_prototypes_of_both(kind):
    model, batch = moved(mixing={kind: 1.0}), data()
    seen = []
    mix = model.mixing

    def watched(*args):
        seen.append((args, mix(*args)))
        return seen[-1][1]

    model.mixing = watched
    before = copy.deepcopy(model)
    views, _, ids = keys_and_ids(before, batch)
    losses = model.loss(**batch)
    (images, large, names), mixed = seen[0]
    assert torch.equal(images, views.pair[::2]) and names == views.names[::2]
    assert torch.equal(model.ids.at_size(large, ids.shape[1:]), ids[::2])
    assert all(a != b for a, b in zip(names, mixed.partner_names))
    # Batch norms of the passes before have no effect on this one in training.
    found = before.encoder(mixed.inputs, names, ('contrast',))['contrast']
    share = torch.full((4,), mixed.share)
    expected = mixed_pixel_to_prototype(
        found, ((model.ids.at_size(mixed.labels, ids.shape[1:]), share),
                (model.ids.at_size(mixed.partner_labels, ids.shape[1:]), 1 - share)),
        *model.bank.prototypes())
    torch.testing.assert_close(losses['loss_mixed'], expected)


def test_unlabelled_pixels_get_labels_but_do_not_go_into_the_bank():
    model = moved(datasets=[*DATASETS, PHOTOS], threshold=0.5)
    batch = data(('one', 'two', 'photos', 'photos'))
    views, keys, ids = keys_and_ids(model, batch)
    assert (ids[4:] == UNLABELLED).all()
    query = copy.deepcopy(model).encoder(views.pair, views.names, ('contrast',))['contrast']
    losses = model.loss(**batch)
    assert int(model.bank.total_images.sum()) == 2 * 7  # labelled images alone
    ids[4:] = pseudo_labels(keys[4:], *model.bank.prototypes(), 0.5)
    share = (ids[4:] != UNLABELLED).float().mean()
    assert 0 < share
    torch.testing.assert_close(losses['photos.accepted'], share)
    each = [pixel_to_prototype(query[i::2], ids[i::2], *model.bank.prototypes()) for i in (0, 1)]
    torch.testing.assert_close(losses['loss_contrast'], sum(each) / 2)
    model.threshold = 1.01
    assert model.loss(**batch)['photos.accepted'] == 0


def test_the_momentum_encoder_follows_with_a_context_of_its_own():
    model = build(momentum=0.9, dataset_norm={})
    own, other = model.momentum_encoder.encoder, model.encoder
    assert own.context is not other.context
    layers = [m for m in own.modules() if isinstance(m, DSBN)]
    assert layers and all(m.context is own.context for m in layers)
    for key, value in other.state_dict().items():
        assert torch.equal(own.state_dict()[key], value), key
    start = {k: v.clone() for k, v in own.state_dict().items()}
    optim = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    losses, _ = model.parse_losses(model.loss(**data(seed=1)))
    optim.update_params(losses)
    after = {k: v.clone() for k, v in other.named_parameters()}
    model.loss(**data(seed=2))
    for key, value in own.named_parameters():
        torch.testing.assert_close(value, 0.9 * start[key] + 0.1 * after[key])
        assert not value.requires_grad
    changed = [k for k, v in own.named_buffers() if k.endswith('running_mean')
               and not torch.equal(v, start[k])]
    assert changed and len(changed) == sum(k.endswith('running_mean') for k in start)


def test_nothing_is_dropped_out_of_the_momentum_encoder():
    model, batch = build(decode_head={**FCN, 'in_channels': 8, 'in_index': 0,
                                      'dropout_ratio': 0.5}), data()
    views = model._views(**batch)

    def twice(encoder):
        return [encoder(views.pair, views.names, ('contrast',))['contrast'] for _ in range(2)]

    first, second = twice(model.momentum_encoder)
    assert torch.equal(first, second)
    assert any(m.training for m in model.momentum_encoder.modules() if 'BatchNorm' in str(type(m)))
    first, second = twice(model.encoder)
    assert not torch.equal(first, second)


def test_predictions_have_the_size_of_the_original_image():
    model, batch = build(), data(('one', 'two'), views=1)
    model.loss(**data())
    for sample in batch['data_samples']:
        sample.set_metainfo({'ori_shape': (20, 24), 'img_shape': (30, 32)})
    for sample in model.eval().predict(**batch):
        assert sample.pred_sem_seg.data.shape == (1, 20, 24)


@pytest.mark.parametrize('dataset_norm', [None, {}])
def test_images_of_a_dataset_are_predicted_together_and_each_as_alone(dataset_norm):
    model = moved(dataset_norm=dataset_norm)
    model.loss(**data())
    model.eval()
    names = ('two', 'one', 'two', 'one', 'two')
    batch, passes = data(names, views=1), []
    for i, sample in enumerate(batch['data_samples']):
        sample.set_metainfo({'ori_shape': (20 + i, 24), 'img_shape': (30, 32 - i)})
    handle = model.encoder.register_forward_pre_hook(lambda _, args: passes.append(args[1]))
    together = model.predict(**batch)
    assert [list(names) for names in passes] == [['two'] * 3, ['one'] * 2]
    handle.remove()
    assert all(a is b for a, b in zip(together, batch['data_samples']))
    logits = [sample.seg_logits.data for sample in together]
    for i, sample in enumerate(batch['data_samples']):
        alone = model.predict(batch['inputs'][i:i + 1], [sample])[0]
        assert alone.seg_logits.data.shape == (4 if names[i] == 'two' else 3, 20 + i, 24)
        torch.testing.assert_close(logits[i], alone.seg_logits.data)


def test_running_statistics_of_the_momentum_encoder_become_those_of_its_activations():
    model, batch = build(momentum=0.0), data()
    for _ in range(60):
        model.loss(**batch)
    own, other = (dict(e.named_buffers()) for e in (model.momentum_encoder.encoder, model.encoder))
    for key, value in own.items():
        if 'running' in key:
            torch.testing.assert_close(value, other[key], atol=1e-3, rtol=1e-2)


@pytest.mark.parametrize('options', [
    {}, {'contrast': 'pixel'}, {'contrast': 'region'}, {'mixing': {'region': 0.5, 'pixel': 0.5}},
    {'consistency': {}}])
@pytest.mark.parametrize('blank', [(0,), (0, 1, 2, 3)])
def test_images_without_labels_and_of_one_class_give_finite_gradients(options, blank):
    model, batch = build(**options), data(views=3, blank=blank)
    batch['data_samples'][1].gt_sem_seg.data.clamp_(min=2, max=2)
    losses, _ = model.parse_losses(model.loss(**batch))
    losses.backward()
    assert torch.isfinite(losses)
    assert all(torch.isfinite(p.grad).all() for p in model.encoder.parameters()
               if p.grad is not None)
    trained = [n for n, p in model.encoder.named_parameters() if p.grad is None]
    assert not trained  # as distributed training expects


def test_nothing_is_contrasted_before_it_begins():
    model = build(mixing={'pixel': 1.0}, consistency={})
    model.bank.contrasts = False
    losses = model.loss(**data(views=3))
    assert int(model.bank.updates) == 1
    assert all(float(v) == 0 and torch.isfinite(v) for k, v in losses.items())
    model.bank.collects, model.bank.contrasts = False, True
    assert model.loss(**data(views=3))['loss_contrast'] > 0
    assert int(model.bank.updates) == 1


def test_pretraining_learns_and_the_nearest_prototype_predicts():
    """Images whose colours say the class."""
    model = build(channels=8, momentum=0.5)
    colours = {'one': torch.rand(3, 3, generator=torch.Generator().manual_seed(3)),
               'two': torch.rand(4, 3, generator=torch.Generator().manual_seed(4))}

    def coloured(seed, views=2):
        batch = data(views=views, seed=seed)
        for image, sample in zip(batch['inputs'], batch['data_samples']):
            labels = F.interpolate(sample.gt_sem_seg.data[None].float(), scale_factor=1 / 16)
            labels = F.interpolate(labels, scale_factor=16).long()[0]
            sample.gt_sem_seg.data = labels
            image.copy_(colours[sample.metainfo['dataset']][labels[0]].permute(2, 0, 1))
        return batch

    optim = OptimWrapper(torch.optim.Adam(model.parameters(), lr=0.01))
    first = None
    for seed in range(30):
        loss, _ = model.parse_losses(model.loss(**coloured(seed)))
        first = float(loss) if first is None else first
        optim.update_params(loss)
    assert float(loss) < 0.6 * first
    model.eval()
    batch = coloured(99, views=1)
    with torch.no_grad():
        found = model(**batch, mode='predict')
    right = torch.cat([(s.pred_sem_seg.data == s.gt_sem_seg.data).float().flatten()
                       for s in found]).mean()
    assert right > 0.7 and found[1].seg_logits.data.shape == (4, 32, 32)


def test_prediction_needs_prototypes_and_known_datasets():
    batch = data(views=1)
    with pytest.raises(ValueError, match="contrast='pixel' has no prototypes to predict with"):
        build(contrast='pixel').predict(**batch)
    batch['data_samples'][0].set_metainfo({'dataset': 'three'})
    with pytest.raises(ValueError, match="dataset 'three' has no classes; known: one, two"):
        build().predict(**batch)


@pytest.mark.parametrize(('options', 'words'), [
    ({'contrast': 'class'}, "contrast='class': allowed are prototype, pixel, region"),
    ({'temperature': 0}, 'temperature=0: a number above 0'),
    ({'momentum': 1.2}, 'momentum=1.2: a number from 0 to 1'),
    ({'consistency': {'alpha': 1}}, "consistency has no key 'alpha'; allowed: weight"),
    ({'consistency': {'key_temperature': 0}}, 'key_temperature=0: a number above 0'),
    ({'contrast': 'pixel', 'consistency': {}}, 'no prototypes, which consistency cannot'),
    ({'contrast': 'region', 'datasets': [*DATASETS, PHOTOS]},
     'which datasets without labels cannot'),
    ({'contrast': 'pixel', 'mixing': {'pixel': 1.0}}, 'no prototypes, which mixing cannot'),
    ({'images': 2}, 'holds no batch of 4')])
def test_options_that_cannot_be(options, words):
    with pytest.raises(ValueError, match=words):
        build(**options)


def test_batches_that_cannot_be():
    model, batch = build(consistency={}), data()
    with pytest.raises(ValueError, match='set twins=1 or twins=2 of PretrainViews'):
        model.loss(**batch)
    batch['data_samples'][0].set_metainfo({'num_views': 3})
    with pytest.raises(ValueError, match='PretrainViews'):
        model.loss(**batch)
    odd = data(views=3, size=(11, 32))
    odd['inputs'] = F.pad(odd['inputs'], (0, 0, 0, 1))
    with pytest.raises(ValueError, match='3 views cannot share 34 rows'):
        model.loss(**odd)


def test_weights_of_other_datasets_are_refused():
    other = [DATASETS[0], {**DATASETS[1], 'metainfo': {'classes': ('a', 'b', 'c', 'd')}}]
    with pytest.raises(ValueError, match='prototypes of 7 other classes'):
        build(datasets=other).load_state_dict(build().state_dict())
