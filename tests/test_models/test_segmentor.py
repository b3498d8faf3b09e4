import copy

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.model import ExponentialMovingAverage
from mmengine.runner import load_checkpoint, save_checkpoint
from mmseg.registry import MODELS

from mmseg_multids.label_spaces import LabelSpace

from .toy import DATASETS, FCN, NORM, batch, build, model_cfg

HEADS = {
    'FCNHead': FCN,
    'PSPHead': {'type': 'PSPHead', 'in_channels': 512, 'in_index': 3, 'channels': 8,
                'pool_scales': (1, 2), 'norm_cfg': NORM},
    'ASPPHead': {'type': 'ASPPHead', 'in_channels': 512, 'in_index': 3, 'channels': 8,
                 'dilations': (1, 2), 'norm_cfg': NORM},
    'DepthwiseSeparableASPPHead': {
        'type': 'DepthwiseSeparableASPPHead', 'in_channels': 512, 'in_index': 3, 'channels': 8,
        'dilations': (1, 2), 'c1_in_channels': 64, 'c1_channels': 4, 'norm_cfg': NORM},
    'UPerHead': {'type': 'UPerHead', 'in_channels': [64, 128, 256, 512], 'in_index': [0, 1, 2, 3],
                 'channels': 8, 'pool_scales': (1, 2), 'norm_cfg': NORM},
    'SegformerHead': {'type': 'SegformerHead', 'in_channels': [64, 128, 256, 512],
                      'in_index': [0, 1, 2, 3], 'channels': 8, 'norm_cfg': NORM},
}


def losses_of(model, names, **kwargs):
    data = model.data_preprocessor(batch(names, **kwargs), True)
    return model(**data, mode='loss')


@pytest.mark.parametrize('name', HEADS)
def test_every_pixelwise_head_trains_and_predicts(name):
    model = build(HEADS[name], auxiliary_head={
        'type': 'UniSegHead', 'head': {**FCN, 'in_channels': 256, 'in_index': 2}})
    losses = losses_of(model, ['one', 'one', 'two', 'two'])
    assert [k for k in losses if 'loss' in k] == [
        'decode.one.loss_ce', 'decode.two.loss_ce', 'aux.one.loss_ce', 'aux.two.loss_ce']
    model.parse_losses(losses)[0].backward()
    weight = model.decode_head.classifier.weight
    assert weight.shape[:2] == (7, 8) and (weight.grad.abs().sum(dim=(1, 2, 3)) > 0).all()
    results = model.eval().test_step(batch(['one', 'two']))
    assert [r.seg_logits.data.shape[0] for r in results] == [3, 4]


@pytest.mark.parametrize(('head', 'words'), [
    ({'type': 'EncHead', 'in_channels': [64, 128, 256, 512]}, 'EncHead.*its own predict, loss_by'),
    ({'type': 'OCRHead', 'in_channels': 512}, 'OCRHead cannot be wrapped.*its own loss'),
    ({'type': 'PointHead', 'in_channels': 512}, 'PointHead cannot be wrapped'),
    ({'type': 'DAHead', 'in_channels': 512}, 'DAHead cannot be wrapped'),
    ({'type': 'SegmenterMaskTransformerHead', 'in_channels': 512, 'num_layers': 1, 'num_heads': 1,
      'embed_dims': 8, 'channels': 8}, 'SegmenterMaskTransformerHead.*no 1x1 convolution'),
    ({'type': 'ResNet'}, 'ResNet.*no BaseDecodeHead'),
])
def test_other_heads_are_refused_by_name(head, words):
    with pytest.raises(TypeError, match=words):
        build(head)


@pytest.mark.parametrize('key', ['num_classes', 'loss_decode', 'sampler', 'out_channels'])
def test_keys_of_the_wrapper_are_refused_in_the_wrapped_head(key):
    with pytest.raises(ValueError, match=f'FCNHead inside UniSegHead has {key}'):
        build({**FCN, key: 5})


def test_a_stock_head_is_refused():
    cfg = model_cfg()
    cfg['decode_head'] = {**FCN, 'num_classes': 4}
    with pytest.raises(TypeError, match="decode_head is a FCNHead.*type='UniSegHead'"):
        MODELS.build(cfg)


@pytest.mark.parametrize('loss', ['CrossEntropyLoss', 'PixelCrossEntropyLoss'])
@pytest.mark.parametrize('sampler', [None, {'type': 'OHEMPixelSampler', 'min_kept': 300},
                                     {'type': 'OHEMPixelSampler', 'thresh': 0.2, 'min_kept': 300}])
def test_losses_equal_those_of_a_plain_segmentor(loss, sampler):
    """Same weights, one dataset in the batch: the wrapper changes nothing."""
    options = {'avg_non_ignore': True} if loss == 'CrossEntropyLoss' else {}
    ours = build(decode_head={'type': 'UniSegHead', 'head': FCN, 'sampler': sampler,
                              'loss_decode': {'type': loss, **options}})
    torch.nn.init.normal_(ours.decode_head.classifier.weight, std=2)
    plain = MODELS.build({
        **{k: v for k, v in model_cfg().items() if k not in ('datasets', 'label_space')},
        'type': 'EncoderDecoder', 'test_cfg': ConfigDict(mode='whole'),
        'decode_head': {**FCN, 'num_classes': 4, 'sampler': sampler, 'loss_decode': {
            'type': 'CrossEntropyLoss', 'avg_non_ignore': True}}})
    state = {k.replace('decode_head.head.', 'decode_head.'): v
             for k, v in ours.state_dict().items() if 'classifier' not in k and 'json' not in k}
    state['decode_head.conv_seg.weight'] = ours.decode_head.classifier.weight[3:]
    state['decode_head.conv_seg.bias'] = ours.decode_head.classifier.bias[3:]
    plain.load_state_dict(state)
    data = batch(['two', 'two'])
    mine = ours(**ours.data_preprocessor(copy.deepcopy(data), True), mode='loss')
    theirs = plain(**plain.data_preprocessor(copy.deepcopy(data), True), mode='loss')
    torch.testing.assert_close(mine['decode.two.loss_ce'], theirs['decode.loss_ce'])
    for model, losses in ((ours, mine), (plain, theirs)):
        model.parse_losses(losses)[0].backward()
    torch.testing.assert_close(ours.decode_head.classifier.weight.grad[3:],
                               plain.decode_head.conv_seg.weight.grad)
    if loss == 'CrossEntropyLoss':
        assert torch.equal(mine['decode.two.loss_ce'], theirs['decode.loss_ce'])
        torch.testing.assert_close(mine['decode.two.acc_seg'], theirs['decode.acc_seg'][0])
    ours.eval(), plain.eval()
    a, b = ours.test_step(data)[0], plain.test_step(data)[0]
    assert torch.equal(a.seg_logits.data, b.seg_logits.data)


def test_the_order_of_samples_does_not_matter():
    model = build().eval()
    images = batch(['one', 'two', 'one', 'two'])
    order = [3, 0, 2, 1]
    mixed = {key: [images[key][i] for i in order] for key in images}
    a = model(**model.data_preprocessor(copy.deepcopy(images), True), mode='loss')
    b = model(**model.data_preprocessor(mixed, True), mode='loss')
    assert list(a) == list(b)
    for key in a:
        torch.testing.assert_close(a[key], b[key])


def test_an_absent_dataset_adds_no_key_and_gets_no_gradient():
    model = build()
    losses = losses_of(model, ['two', 'two'])
    assert set(losses) == {'decode.two.loss_ce', 'decode.two.acc_seg'}
    model.parse_losses(losses)[0].backward()
    grad = model.decode_head.classifier.weight.grad
    assert (grad[:3] == 0).all() and (grad[3:] != 0).any()


@pytest.mark.parametrize(('reduction', 'weights', 'expected'), [
    ('mean', {}, (0.75, 0.25)), ('sum', {}, (1.0, 1.0)), ('mean', {'two': 3.0}, (0.75, 0.75))])
def test_weights_of_the_datasets(reduction, weights, expected):
    model = build().eval()
    names = ['one', 'one', 'one', 'two']
    model.decode_head.dataset_reduction = 'sum'
    plain = losses_of(model, names)
    model.decode_head.dataset_reduction = reduction
    model.decode_head.dataset_weights = weights
    weighted = losses_of(model, names)
    for name, factor in zip(('one', 'two'), expected):
        key = f'decode.{name}.loss_ce'
        torch.testing.assert_close(weighted[key], plain[key] * factor)


def test_unfit_weights_are_refused():
    for changes, words in (({'dataset_weights': {'three': 1}}, "'three'.*known: one, two"),
                           ({'dataset_reduction': 'max'}, 'allowed are')):
        cfg = model_cfg()
        cfg['decode_head'].update(changes)
        with pytest.raises(ValueError, match=words):
            MODELS.build(cfg)


def test_unified_cross_entropy_is_a_softmax_over_all_nodes():
    cfg = model_cfg(label_space={'type': 'by_name'})
    cfg['decode_head']['loss_decode'] = {'type': 'PixelCrossEntropyLoss', 'space': 'unified'}
    model = MODELS.build(cfg).eval()
    assert model.label_space.nodes == ('road', 'sky', 'car', 'tree', 'person')
    data = model.data_preprocessor(batch(['two']), True)
    loss = model(**data, mode='loss')['decode.two.loss_ce']
    with model.context.batch(['two'], 'unified'):
        logits = model.decode_head.predict(model.extract_feat(data['inputs']), [
            {'img_shape': (32, 32)}], {})
    labels = torch.tensor([1, 3, 0, 4])[data['data_samples'][0].gt_sem_seg.data]
    total = sum(-logits[0, :, y, x].log_softmax(0)[labels[0, y, x]]
                for y in range(32) for x in range(32))
    torch.testing.assert_close(loss, total / 32 ** 2)


def test_node_losses_refuse_classes_with_several_nodes(tmp_path):
    from mmseg_multids.label_spaces import UnifiedLabelSpace
    spaces = list(build().label_space.spaces.values())
    UnifiedLabelSpace(['a', 'b', 'c', 'd', 'e'], spaces, {
        'one': [0, 0, 1, 2, -1], 'two': [2, -1, 0, 1, 3]}).to_json(tmp_path / 'space.json')
    cfg = model_cfg(label_space={'type': 'file', 'path': str(tmp_path / 'space.json')})
    model = MODELS.build(cfg)  # sums the nodes' logits
    assert losses_of(model, ['one', 'two'])
    cfg['decode_head']['loss_decode'] = {'type': 'PixelCrossEntropyLoss', 'space': 'unified'}
    with pytest.raises(ValueError, match='of one have several nodes: road'):
        MODELS.build(cfg)


def test_losses_with_nothing_labelled_are_zero_and_keep_the_graph():
    model = build()
    data = batch(['one', 'two'])
    for s in data['data_samples']:
        s.gt_sem_seg.data[:] = 255
    losses = model(**model.data_preprocessor(data, True), mode='loss')
    total = model.parse_losses(losses)[0]
    total.backward()
    assert total == 0 and all(p.grad is None or p.grad.isfinite().all()
                              for p in model.parameters())


def test_ohem_sampler_works_per_dataset():
    cfg = model_cfg()
    cfg['decode_head']['sampler'] = {'type': 'OHEMPixelSampler', 'thresh': 0.7, 'min_kept': 10}
    assert losses_of(MODELS.build(cfg), ['one', 'two'])['decode.two.loss_ce'] > 0


@pytest.mark.parametrize('test_cfg', [
    {'mode': 'whole'}, {'mode': 'slide', 'crop_size': (32, 32), 'stride': (16, 16)}])
def test_one_batch_of_several_datasets_equals_one_by_one(test_cfg):
    model = build(test_cfg=ConfigDict(test_cfg)).eval()
    data = batch(['one', 'two', 'one'], size=(48, 40))
    together = model.test_step(copy.deepcopy(data))
    for i, result in enumerate(together):
        alone = model.test_step({k: [copy.deepcopy(v[i])] for k, v in data.items()})[0]
        torch.testing.assert_close(result.seg_logits.data, alone.seg_logits.data)
        assert result.pred_sem_seg.data.shape == (1, 48, 40)
    assert [r.seg_logits.data.shape[0] for r in together] == [3, 4, 3]


def test_targets_of_prediction():
    model = build(label_space={'type': 'by_name'}).eval()
    data = batch(['two', 'two', 'two'])
    for s, target in zip(data['data_samples'], ('unified', 'one', 'two')):
        s.set_metainfo({'label_space': target})
    unified, other, own = model.test_step(data)
    assert [r.seg_logits.data.shape[0] for r in (unified, other, own)] == [5, 3, 4]
    assert unified.metainfo['pred_to_dataset'] == [2, 0, -1, 1, 3]
    assert other.metainfo['pred_classes'] == ['road', 'sky', 'car']
    assert 'pred_classes' not in own.metainfo
    assert torch.equal(unified.seg_logits.data[:3], model.test_step({
        'inputs': data['inputs'][:1], 'data_samples': batch(
            ['two'], label_space='one')['data_samples']})[0].seg_logits.data)


def test_samples_without_dataset_are_read_as_nodes():
    model = build().eval()
    data = batch([None])
    assert model.test_step(data)[0].seg_logits.data.shape[0] == 7
    inputs = torch.zeros(1, 3, 32, 32)
    assert model(inputs, mode='predict')[0].seg_logits.data.shape[0] == 7
    assert model(inputs, mode='tensor').shape[1] == 7


def test_unknown_datasets_are_refused_with_the_known_ones():
    model = build().eval()
    data = batch(['one'])
    data['data_samples'][0].set_metainfo({'dataset': 'three'})
    with pytest.raises(ValueError, match="unknown dataset 'three'.*one, two, unified"):
        model.test_step(copy.deepcopy(data))
    with pytest.raises(ValueError, match="unknown dataset 'three'"):
        model(**model.data_preprocessor(data, True), mode='loss')
    bare = batch([None])
    with pytest.raises(ValueError, match='MultiDataset'):
        model(**model.data_preprocessor(bare, True), mode='loss')


def test_an_unseen_dataset_can_be_read_in_a_known_space():
    model = build().eval()
    data = batch(['one'], label_space='two')
    data['data_samples'][0].set_metainfo({'dataset': 'three'})
    assert model.test_step(data)[0].seg_logits.data.shape[0] == 4


UNSEEN = LabelSpace('three', ('tree', 'moon', 'sky', 'road'))


def unseen_batch(names=('one', 'one')):
    data = batch(list(names))
    for sample in data['data_samples']:
        sample.set_metainfo({'dataset': 'three'})
    return data


@pytest.mark.parametrize('kind', ['by_name', 'disjoint'])
def test_an_unseen_dataset_is_read_by_names(kind):
    """Channels of the classes that both have, then the argmax (UniSeg, section 4.1)."""
    model = build(label_space={'type': kind}).eval()
    class_of_node = model.read_unseen(UNSEEN)
    result = model.test_step(unseen_batch())[0]
    assert result.metainfo['pred_to_dataset'] == [0, -1, 2, 3]
    nodes = model.test_step(batch([None]))[0].seg_logits.data  # [N, H, W]
    for i in (0, 2, 3):
        expected = nodes[torch.from_numpy(class_of_node == i)].mean(0)
        torch.testing.assert_close(result.seg_logits.data[i], expected)
    best = torch.where(torch.arange(4)[:, None, None] == 1, -1e9, result.seg_logits.data).argmax(0)
    assert torch.equal(result.pred_sem_seg.data[0], best)
    assert not (result.pred_sem_seg.data == 1).any()
    # A sample of no dataset can be read so, too.
    other = model.test_step(batch([None], label_space='three'))[0]
    assert other.metainfo['pred_classes'] == list(UNSEEN.classes)


def test_one_head_of_a_multi_head_model_can_be_chosen():
    model = build(test_cfg={'mode': 'whole', 'unseen': {'source': 'two'}}).eval()
    model.read_unseen(UNSEEN)
    found = model.test_step(unseen_batch())[0].seg_logits.data
    expected = model.test_step(batch(['two']))[0].seg_logits.data
    torch.testing.assert_close(found[[0, 2, 3]], expected[[1, 0, 2]])


def test_sliding_windows_over_an_unseen_dataset():
    model = build(label_space={'type': 'by_name'}, test_cfg={
        'mode': 'slide', 'crop_size': (32, 32), 'stride': (16, 16)}).eval()
    model.read_unseen(UNSEEN)
    data = unseen_batch()
    data['inputs'] = [torch.nn.functional.pad(i, (0, 16)) for i in data['inputs']]
    for sample in data['data_samples']:
        sample.set_metainfo({'img_shape': (32, 48), 'ori_shape': (32, 48)})
    logits = model.test_step(data)[0].seg_logits.data
    assert logits.shape == (4, 32, 48) and logits.isfinite().all()


def test_averaged_weights_go_on_after_an_unseen_dataset_was_read():
    model = build(auxiliary_head={'type': 'UniSegHead', 'head': {**FCN, 'in_index': 2,
                                                                 'in_channels': 256}})
    average = ExponentialMovingAverage(model)
    average.update_parameters(model)
    model.read_unseen(UNSEEN)
    average.update_parameters(model)
    keys = model.state_dict().keys()
    assert keys == average.module.state_dict().keys()


@pytest.mark.parametrize('name', ['keys', 'items', 'pop'])
def test_any_name_of_a_dataset_does(name):
    model = build(datasets=[{**DATASETS[0], 'name': name}, DATASETS[1]]).eval()
    assert model.test_step(batch(['two']))
    model.read_unseen(LabelSpace('values', ['road', 'sky']))


def test_what_cannot_be_read_is_refused():
    with pytest.raises(ValueError, match="test_cfg.unseen.source='four': the model has one, two"):
        build(test_cfg={'unseen': {'source': 'four'}})
    with pytest.raises(ValueError, match="test_cfg has no key 'unsen'; allowed: mode, crop_size"):
        build(test_cfg={'mode': 'whole', 'unsen': {}})
    with pytest.raises(ValueError, match="test_cfg.unseen has no key 'alias'"):
        build(test_cfg={'unseen': {'alias': []}})
    with pytest.raises(ValueError, match="the model predicts 'one' already"):
        build().read_unseen(LabelSpace('one', ['road', 'sky']))
    with pytest.raises(ValueError, match='my.set.*only letters'):
        build().read_unseen(LabelSpace('my.set', ['road', 'sky']))


@pytest.mark.parametrize('flip', [False, True])
def test_test_time_augmentation_averages_scores(flip):
    model = build().eval()
    tta = MODELS.build({'type': 'MultiDatasetTTAModel', 'module': model})
    data = batch(['two', 'two'])
    versions = {'inputs': [[i] for i in data['inputs']], 'data_samples': [
        [s] for s in data['data_samples']]}
    if flip:
        for images, samples in zip(versions['inputs'], versions['data_samples']):
            images.append(images[0].flip(2))
            samples.append(copy.deepcopy(samples[0]))
            samples[1].set_metainfo({'flip': True, 'flip_direction': 'horizontal'})
    by_version = {k: list(zip(*v)) for k, v in versions.items()}
    result = tta.test_step({k: [list(x) for x in v] for k, v in by_version.items()})[0]
    scores = model.test_step(batch(['two']))[0].seg_logits.data.softmax(0)
    if flip:
        mirrored = batch(['two'])
        mirrored['inputs'][0] = mirrored['inputs'][0].flip(2)
        scores = (scores + model.test_step(mirrored)[0].seg_logits.data.softmax(0).flip(2)) / 2
    torch.testing.assert_close(result.seg_logits.data, scores)
    assert result.metainfo['dataset'] == 'two' and 'gt_sem_seg' in result


# ------------------------------------------------------------------------- checkpoints


def test_a_checkpoint_of_another_label_space_is_refused(tmp_path):
    path = str(tmp_path / 'x.pth')
    save_checkpoint({'state_dict': build().state_dict(), 'meta': {}}, path)
    changed = copy.deepcopy(DATASETS)
    changed[0]['metainfo'] = {'classes': ('road', 'sky', 'bus')}
    with pytest.raises(ValueError, match='(?s)one: classes missing: car.*one: classes added: bus'):
        load_checkpoint(build(datasets=changed), path)
    with pytest.raises(ValueError, match='nodes: 7 became 5'):
        load_checkpoint(build(label_space={'type': 'by_name'}), path)
    load_checkpoint(build(), path)


def test_weights_of_another_classifier_are_refused():
    cosine = {'type': 'UniSegHead', 'head': FCN, 'classifier': {'type': 'CosineNodeClassifier'}}
    with pytest.raises(ValueError, match='network lacks: decode_head.classifier.bias'):
        build(decode_head=cosine).load_state_dict(build().state_dict())
    with pytest.raises(ValueError, match='missing.*decode_head.classifier.bias'):
        build().load_state_dict(build(decode_head=cosine).state_dict())


def test_palettes_are_no_part_of_the_comparison():
    changed = copy.deepcopy(DATASETS)
    changed[0]['metainfo']['palette'] = [[0, 0, 0], [1, 1, 1], [2, 2, 2]]
    build(datasets=changed).load_state_dict(build().state_dict())


def test_weights_without_a_label_space_load():
    state = {k: v for k, v in build().state_dict().items() if 'json' not in k}
    build().load_state_dict(state)


def test_averaged_copies_have_their_own_context():
    model = build()
    average = ExponentialMovingAverage(model, update_buffers=True)
    copied = average.module
    assert copied.context is not model.context
    assert copied.decode_head.context is copied.context
    average.update_parameters(model)
    average.update_parameters(model)
    assert torch.equal(copied.label_space_json, model.label_space_json)
    assert copied.eval().test_step(batch(['two']))[0].seg_logits.data.shape[0] == 4


def test_dataset_meta_describes_the_nodes():
    model = build(label_space={'type': 'by_name'})
    model.dataset_meta = {'classes': ['wrong'], 'other': 1}
    assert model.dataset_meta['classes'] == ['road', 'sky', 'car', 'tree', 'person']
    assert len(model.dataset_meta['palette']) == 5 and model.dataset_meta['other'] == 1
    assert model.dataset_meta['datasets']['two']['classes'] == ['Sky', 'tree', 'road', 'person']


def test_only_the_needed_rows_are_computed(monkeypatch):
    model = build()
    rows = []
    forward = type(model.decode_head.classifier).forward

    def recorded(self, embedding, rows_):
        out = forward(self, embedding, rows_)
        rows.append(out.shape[1])
        return out

    monkeypatch.setattr(type(model.decode_head.classifier), 'forward', recorded)
    losses_of(model, ['one', 'two', 'two'])
    assert rows == [3, 4]


def test_initial_weights_follow_the_seed():
    def fresh(seed):
        model = MODELS.build(model_cfg())
        torch.manual_seed(seed)
        model.init_weights()
        return model.decode_head.classifier.weight.detach()
    assert torch.equal(fresh(1), fresh(1)) and not torch.equal(fresh(1), fresh(2))
    assert np.isclose(fresh(1).std().item(), 0.01, rtol=0.5)
