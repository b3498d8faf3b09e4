"""FLOPs and parameters of one dataset's inference (CDCL, Table 6: the same FLOPs)."""

import pytest
import torch
from mmengine.analysis import get_model_complexity_info
from mmseg.models.utils import resize  # noqa: F401 (imports mmseg's models)
from mmseg.registry import MODELS

from mmseg_multids.apis import complexity as cx
from mmseg_multids.label_spaces import UnifiedLabelSpace

from ..test_models.toy import DATASETS, FCN, batch, model_cfg

DS = {'type': 'DSBN', 'requires_grad': True, 'single_value': 'running'}
SIZE = (64, 64)


def small_cfg(head=None, **changes):
    """The first stage alone, 4 channels wide: quick to trace."""
    cfg = model_cfg({**FCN, 'in_channels': 4, 'in_index': 0, 'channels': 8, **(head or {})},
                    **changes)
    cfg.backbone.update(base_channels=4, num_stages=1, out_indices=(0,), strides=(1,),
                        dilations=(1,), norm_cfg=changes.get('norm_cfg', {'type': 'BN'}))
    cfg.pop('norm_cfg', None)
    return cfg


def by_hand(num_classes):
    """FLOPs of ``small_cfg``: parts of one image of 64 x 64, layer by layer.

    The stem has 64 filters whatever the width of the stages.
    """
    conv = {
        'conv1': 32 * 32 * 64 * 3 * 7 * 7,  # stride 2
        # pooling to 16 x 16, then two residual blocks of two convolutions, 64 -> 4 channels
        'layer1.0.conv1': 16 * 16 * 4 * 64 * 3 * 3,
        'layer1.0.downsample': 16 * 16 * 4 * 64,
        'other three': 3 * 16 * 16 * 4 * 4 * 3 * 3,
        'head': 16 * 16 * 8 * 4 * 3 * 3,
        'classifier': 16 * 16 * num_classes * 8,
    }
    # A scale and a shift per value.
    norm = 2 * (32 * 32 * 64 + 5 * 16 * 16 * 4 + 16 * 16 * 8)
    return {'conv': sum(conv.values()), 'batch_norm': norm}


def parameters_by_hand(num_classes):
    """Weights of convolutions; scales and shifts; weights and biases of the classifier."""
    convs = 64 * 3 * 49 + 4 * 64 * 9 + 4 * 64 + 3 * 4 * 4 * 9 + 8 * 4 * 9
    return cx.Parameters(convs, 2 * (64 + 5 * 4 + 8), num_classes * (8 + 1))


@pytest.mark.parametrize('changes', [{'dataset_norm': {}}, {'norm_cfg': DS}, {}],
                         ids=['switch', 'norm_cfg', 'shared'])
def test_the_count_is_that_made_by_hand(changes):
    """Dataset-specific batch norms are counted as ordinary ones are."""
    head = {'norm_cfg': DS} if 'norm_cfg' in changes else {}
    results = cx.compare(small_cfg(head, **changes), SIZE)
    assert list(results) == ['one', 'two']
    for (_, result), classes in zip(results.items(), (3, 4)):
        assert result.same
        for cost in (result.together, result.other):
            assert cost.operators == by_hand(classes)
            assert cost.flops == sum(by_hand(classes).values())
        convs, norms, classifier = parameters_by_hand(classes)
        if changes:
            assert result.together.parameters == (convs, norms, classifier)
            assert result.whole == convs + 2 * norms + 7 * 9
        else:
            assert result.together.parameters == (convs + norms, 0, classifier)
            assert result.whole == convs + norms + 7 * 9
        assert result.other.parameters.total == convs + norms + classifier


@pytest.mark.parametrize('changes', [
    {'dataset_norm': {'share': 'affine'}},
    {'dataset_norm': {'share': 'statistics'}},
    {'dataset_norm': {}, 'label_space': {'type': 'by_name'}},
    {'dataset_norm': {}, 'head': {'type': 'PSPHead', 'pool_scales': (1, 2)}},
], ids=['shared affine', 'shared statistics', 'by name', 'psp'])
def test_a_dataset_costs_what_a_network_for_it_alone_costs(changes):
    changes = dict(changes)
    head = changes.pop('head', {})
    cfg = small_cfg(head, **changes)
    if head:
        for key in ('num_convs', 'concat_input'):
            cfg.decode_head.head.pop(key)
    for result in cx.compare(cfg, SIZE).values():
        assert result.together.operators == result.other.operators
        assert result.together.uncounted == result.other.uncounted
        assert result.together.parameters.total == result.other.parameters.total
        assert result.same and result.whole > result.together.parameters.total


def test_mmengines_own_function_counts_the_same():
    """The network written by hand for one dataset, counted without our wrapper."""
    class TensorMode(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, inputs):
            return self.model.decode_head(self.model.backbone(inputs))

    model = MODELS.build(small_cfg(datasets=DATASETS[1:])).eval()
    info = get_model_complexity_info(TensorMode(model), (3, *SIZE), show_table=False,
                                     show_arch=False)
    result = cx.compare(small_cfg(dataset_norm={}), SIZE, ['two'])['two']
    assert result.other.flops == result.together.flops == info['flops']
    assert result.other.parameters.total == info['params']


def test_a_network_of_mmsegmentation_is_compared():
    """Its head has the classifier as `conv_seg`."""
    cfg = small_cfg(dataset_norm={})
    plain = {'type': 'EncoderDecoder', 'data_preprocessor': cfg.data_preprocessor,
             'backbone': cfg.backbone, 'test_cfg': {'mode': 'whole'},
             'decode_head': {**cfg.decode_head.head, 'num_classes': 4},
             'auxiliary_head': {**cfg.decode_head.head, 'num_classes': 4}}
    results = cx.compare(cfg, SIZE, other_cfg=plain, names=('ours', 'stock'))
    assert results['two'].same and results['two'].other.num_datasets == 1
    assert results['two'].other.parameters == (sum(parameters_by_hand(4)), 0, 0)
    assert not results['one'].same
    text = cx.format_comparisons(results, SIZE)
    assert 'two: the same number' in text
    assert f'one: not the same; -{16 * 16 * 8:,} FLOPs in conv, -9 parameters' in text


def test_only_datasets_of_both_are_compared():
    results = cx.compare(small_cfg(), SIZE, other_cfg=small_cfg(datasets=DATASETS[1:]))
    assert list(results) == ['two'] and results['two'].same


@pytest.mark.parametrize('label_space', ['disjoint', 'by_name'])
def test_parameters_that_are_not_used_do_not_matter_and_the_others_do(label_space):
    """Slow and independent: break one row after another and look at the prediction."""
    model = MODELS.build(small_cfg(dataset_norm={}, label_space={'type': label_space})).eval()
    norms, classifier = cx.used_rows(model, 'two')
    used_rows = {**norms, **classifier}
    data = model.data_preprocessor(batch(['two']), False)
    unused = 0
    for name, parameter in model.named_parameters():
        used = used_rows.get(name, torch.ones(len(parameter), dtype=torch.bool))
        for row in range(len(parameter)) if name in used_rows else (0,):
            saved = parameter.data[row].clone()
            parameter.data[row] = float('nan')
            with torch.no_grad():
                logits = model(**data, mode='tensor')
            parameter.data[row] = saved
            assert bool(logits.isnan().any()) == bool(used[row]), (name, row)
            unused += 0 if used[row] else parameter[row].numel()
    assert unused > 0
    assert cx.count_parameters(model, 'two').total + unused == sum(
        p.numel() for p in model.parameters())


def test_classes_with_several_nodes_cost_more_and_that_is_said(tmp_path):
    spaces = [MODELS.build(small_cfg()).label_space.space(name) for name in ('one', 'two')]
    UnifiedLabelSpace(['a', 'b', 'c', 'd', 'e'], spaces, {
        'one': [0, 0, 1, 2, -1], 'two': [2, -1, 0, 1, 3]}).to_json(tmp_path / 'space.json')
    result = cx.compare(small_cfg(label_space={
        'type': 'file', 'path': str(tmp_path / 'space.json')}), SIZE, ['one'])['one']
    # One more row of the classifier, D = 8 products for each of the 16 x 16 positions.
    assert result.together.flops - result.other.flops == 8 * 16 * 16
    assert not result.same
    text = cx.format_comparisons({'one': result}, SIZE)
    assert 'one: not the same; +2,048 FLOPs in conv, +9 parameters' in text
    assert 'index_add' in text  # the sum of the nodes' logits, which MMEngine does not count


def test_the_loss_and_auxiliary_heads_do_not_matter():
    cfg = small_cfg(dataset_norm={}, label_space={'type': 'by_name'})
    expected = cx.compare(cfg, SIZE, ['one'])
    cfg.decode_head.loss_decode = {'type': 'PixelCrossEntropyLoss', 'space': 'unified'}
    cfg.decode_head.dataset_weights = {'one': 2.0, 'two': 0.5}
    cfg.auxiliary_head = {**cfg.decode_head}
    assert cx.compare(cfg, SIZE, ['one']) == expected
    assert cfg.decode_head.dataset_weights and cfg.auxiliary_head  # left as they were


def test_images_are_padded_as_in_testing():
    cfg = small_cfg()
    cfg.data_preprocessor.test_cfg = {'size_divisor': 32}
    padded, = cx.compare(cfg, (60, 33), ['one']).values()
    assert padded.shape == (64, 64) and padded.together.operators == by_hand(3)
    assert '3 x 60 x 33 (padded to 64 x 64)' in cx.format_comparisons({'one': padded}, (60, 33))


def test_the_table():
    results = cx.compare(small_cfg(dataset_norm={}), SIZE)
    text = cx.format_comparisons(results, SIZE)
    convs, norms, classifier = parameters_by_hand(3)
    line, = (line for line in text.splitlines() if line.startswith('| one'))
    assert [cell.strip() for cell in line.split('|')[3:-1]] == [
        f'{convs + norms + classifier:,}', f'{convs:,}', f'{norms}', f'{classifier}',
        f'{sum(by_hand(3).values()) / 1e9:.6f}']
    assert 'one, two: the same number of parameters and FLOPs' in text
    assert (f'one network of 2 datasets: {convs + 2 * norms + 63:,} parameters; 2 networks of one '
            f'dataset: {2 * (convs + norms) + 63:,}') in text


@pytest.mark.parametrize(('arguments', 'words'), [
    ({'datasets': ['moon']}, "'moon'; the config has one, two"),
    ({'datasets': ['one'], 'other_cfg': {'datasets': DATASETS[1:]}},
     "'one'; the other config has two"),
    ({'other_cfg': {'datasets': [{**DATASETS[0], 'name': 'moon'}]}},
     'no dataset in common: one, two and moon'),
])
def test_errors_name_what_is_known(arguments, words):
    with pytest.raises(ValueError, match=words):
        cx.compare(small_cfg(), SIZE, **arguments)


def test_a_config_without_datasets_is_refused():
    with pytest.raises(ValueError, match='EncoderDecoder.*no `datasets`'):
        cx.compare({'type': 'EncoderDecoder'}, SIZE)
