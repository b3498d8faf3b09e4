"""FLOPs and parameters of one dataset's inference (CDCL, Table 6: the same FLOPs)."""

import pytest
import torch
from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config
from mmseg.models.utils import resize  # noqa: F401 (imports mmseg's models)
from mmseg.registry import MODELS

from mmseg_multids.apis import complexity as cx
from mmseg_multids.label_spaces import UnifiedLabelSpace, unify_disjoint

from ..test_models.toy import DATASETS, FCN, batch, model_cfg

DS = {'type': 'DSBN', 'requires_grad': True, 'single_value': 'running'}
BACKBONE = {**model_cfg()['backbone'], 'norm_cfg': DS}


@pytest.mark.parametrize('changes', [
    {'dataset_norm': {}},
    {'dataset_norm': {'share': 'affine'}},
    {'dataset_norm': {'share': 'statistics'}},
    {'backbone': BACKBONE, 'head': {**FCN, 'norm_cfg': DS}},
    {},  # batch norms that all datasets share
    {'dataset_norm': {}, 'label_space': {'type': 'by_name'}},
    {'dataset_norm': {}, 'head': {'type': 'PSPHead', 'in_channels': 512, 'in_index': 3,
                                  'channels': 8, 'norm_cfg': {'type': 'BN'}}},
], ids=['dsbn', 'shared affine', 'shared statistics', 'norm_cfg', 'bn', 'by name', 'psp'])
@pytest.mark.parametrize('dataset', ['one', 'two'])
def test_a_dataset_costs_what_a_network_for_it_alone_costs(changes, dataset):
    result = cx.compare(model_cfg(**changes), dataset, (64, 64))
    assert result.together.macs == result.alone.macs > 1e8
    assert result.together.operators == result.alone.operators
    assert result.together.uncounted == result.alone.uncounted
    assert result.together.parameters == result.alone.parameters
    assert result.same
    assert result.all_parameters > result.together.parameters


def test_the_quick_start_with_dataset_specific_norms(repo):
    cfg = Config.fromfile(repo / 'configs/quickstart/quickstart_toyworld.py').model
    cfg.dataset_norm = {}
    for dataset in ('city', 'asia', 'atlas'):
        result = cx.compare(cfg, dataset, (64, 64))
        assert result.same and result.together.macs == result.alone.macs


def test_the_network_alone_is_the_users_own_single_dataset_config():
    """Not only what ``alone_cfg`` makes of it: written by hand, counted by MMEngine alone."""
    class TensorMode(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, inputs):
            return self.model.decode_head(self.model.backbone(inputs))

    model = MODELS.build(model_cfg(datasets=DATASETS[1:])).eval()
    info = get_model_complexity_info(TensorMode(model), (3, 64, 64), show_table=False,
                                     show_arch=False)
    result = cx.compare(model_cfg(dataset_norm={}), 'two', (64, 64))
    assert result.alone.macs == result.together.macs == info['flops']
    assert result.alone.parameters == info['params']


@pytest.mark.parametrize('changes', [{'dataset_norm': {}},
                                     {'dataset_norm': {}, 'label_space': {'type': 'by_name'}}])
def test_parameters_that_are_not_used_do_not_matter_and_the_others_do(changes):
    """Slow and independent: break one row after another and look at the prediction."""
    model = MODELS.build(model_cfg(**changes)).eval()
    unused = cx.unused_rows(model, 'two')
    data = model.data_preprocessor(batch(['two']), False)
    rows = 0
    for name, parameter in model.named_parameters():
        masks = unused.get(name, torch.zeros(len(parameter), dtype=torch.bool))
        for row in range(len(parameter)) if name in unused else (0,):
            saved = parameter.data[row].clone()
            parameter.data[row] = float('nan')
            with torch.no_grad():
                logits = model(**data, mode='tensor')
            parameter.data[row] = saved
            assert bool(logits.isnan().any()) != bool(masks[row]), (name, row)
            rows += bool(masks[row])
    assert rows == sum(int(mask.sum()) for mask in unused.values()) > 0
    used = sum(p.numel() for p in model.parameters()) - sum(
        int(mask.sum()) * model.get_parameter(name)[0].numel() for name, mask in unused.items())
    assert cx.used_parameters(model, 'two') == used


def test_classes_with_several_nodes_cost_more_and_that_is_said(tmp_path):
    spaces = [MODELS.build(model_cfg()).label_space.space(name) for name in ('one', 'two')]
    UnifiedLabelSpace(['a', 'b', 'c', 'd', 'e'], spaces, {
        'one': [0, 0, 1, 2, -1], 'two': [2, -1, 0, 1, 3]}).to_json(tmp_path / 'space.json')
    result = cx.compare(model_cfg(dataset_norm={}, label_space={
        'type': 'json', 'path': str(tmp_path / 'space.json')}), 'one', (64, 64))
    # One more row of the classifier, D = 8 products for each of the 2 x 2 positions.
    assert result.together.macs - result.alone.macs == 8 * 2 * 2
    assert result.together.parameters - result.alone.parameters == 8 + 1
    assert not result.same
    text = cx.format_comparisons({'one': result}, (64, 64))
    assert 'one: not the same; +32 in conv' in text and '+9 parameters' in text
    assert 'index_add' in text  # the sum of the nodes' logits, which MMEngine does not count


def test_the_loss_does_not_matter():
    cfg = model_cfg(dataset_norm={}, label_space={'type': 'by_name'})
    cfg.decode_head.loss_decode = {'type': 'UnifiedCrossEntropyLoss'}
    cfg.decode_head.dataset_weights = {'one': 2.0, 'two': 0.5}
    cfg.auxiliary_head = {**cfg.decode_head}
    assert cx.compare(cfg, 'one', (64, 64)).same
    assert cfg.decode_head.dataset_weights and cfg.auxiliary_head  # left as they were


def test_the_table():
    cfg = model_cfg(dataset_norm={})
    results = {name: cx.compare(cfg, name, (64, 64)) for name in ('one', 'two')}
    text = cx.format_comparisons(results, (64, 64))
    assert '3 x 64 x 64' in text and f'{results["one"].all_parameters:,}' in text
    assert 'one, two: the same parameters and FLOPs' in text
    assert f'{results["two"].alone.parameters:,}' in text


def test_images_are_padded_as_in_testing():
    cfg = model_cfg()
    cfg.data_preprocessor.test_cfg = {'size_divisor': 32}
    padded, exact = cx.compare(cfg, 'one', (60, 33)), cx.compare(cfg, 'one', (64, 64))
    assert padded.together.macs == exact.together.macs
    assert padded.shape == (64, 64)


def test_errors_name_what_is_known():
    with pytest.raises(ValueError, match="'moon'; the config has one, two"):
        cx.compare(model_cfg(), 'moon', (64, 64))
    with pytest.raises(ValueError, match='EncoderDecoder.*no `datasets`'):
        cx.compare({'type': 'EncoderDecoder'}, 'one', (64, 64))


def test_the_models_of_a_disjoint_space_share_no_rows():
    model = MODELS.build(model_cfg())
    assert model.label_space == unify_disjoint(list(model.label_space.spaces.values()))
    unused = cx.unused_rows(model, 'one')
    assert {name: int(mask.sum()) for name, mask in unused.items()} == {
        'decode_head.classifier.weight': 4, 'decode_head.classifier.bias': 4}
