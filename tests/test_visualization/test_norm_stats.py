"""Distributions of batch norms and filters, read from checkpoints."""

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from mmseg_multids.visualization import norm_stats as ns

from ..test_models.toy import DATASETS, build, model_cfg


def state_of(**changes):
    return MODELS.build(model_cfg(**changes)).state_dict()


def conv_before_each_norm(model):
    """Slow and independent: follow the tensors of a forward pass."""
    made_by, found, alive = {}, {}, []

    def conv_hook(name):
        def hook(module, inputs, output):
            alive.append(output)
            made_by[id(output)] = name
        return hook

    def norm_hook(name):
        def hook(module, inputs):
            found[name] = made_by.get(id(inputs[0]))
        return hook

    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(conv_hook(name))
        elif isinstance(module, nn.BatchNorm2d):
            module.register_forward_pre_hook(norm_hook(name))
    model.eval()
    model(torch.zeros(1, 3, 64, 64))
    return found


@pytest.mark.parametrize('backbone', [
    {'type': 'ResNet', 'depth': 18},
    {'type': 'ResNetV1c', 'depth': 18},
    {'type': 'ResNetV1d', 'depth': 50},
    {'type': 'MobileNetV2'},
    {'type': 'BiSeNetV2'},
], ids=lambda cfg: cfg['type'])
def test_each_norm_layer_finds_the_convolution_that_feeds_it(backbone):
    model = MODELS.build(backbone)
    expected = conv_before_each_norm(model)
    assert len(expected) > 10
    state = model.state_dict()
    assert {layer: ns.conv_of_norm(state, layer) for layer in expected} == expected


def test_a_norm_layer_without_a_convolution():
    state = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Conv2d(4, 5, 1),
                          nn.BatchNorm2d(4), nn.ReLU(), nn.BatchNorm2d(4)).state_dict()
    assert ns.conv_of_norm(state, '1') is None
    assert ns.conv_of_norm(state, '3') is None  # five filters cannot feed four channels
    assert ns.conv_of_norm(state, '5') is None  # another layer with weights stands between
    assert ns.read_norm_stats(state, '1', 'run').filters == {}


def test_default_layers_are_early_middle_and_late_in_the_backbone():
    layers = ns.norm_layers(state_of(dataset_norm={}))
    assert len(layers) == 21 and layers[-1].startswith('decode_head')
    assert ns.default_layers(layers) == ['backbone.bn1', 'backbone.layer2.1.bn2',
                                         'backbone.layer4.1.bn2']
    assert ns.default_layers(['a', 'b']) == ['a', 'b']
    assert ns.default_layers(['neck.bn']) == ['neck.bn']


def test_layers_are_chosen_by_name_or_pattern_in_the_order_of_the_network():
    layers = ['backbone.bn1', 'backbone.layer1.0.bn1', 'backbone.layer1.0.bn2', 'head.bn']
    assert ns.select_layers(layers, ['head.bn', r'layer1\..*bn\d']) == layers[1:]
    # A dot of a name is a dot: the name comes before the pattern.
    assert ns.select_layers([*layers, 'backbone-bn1'], ['backbone.bn1']) == layers[:1]
    with pytest.raises(ValueError, match="'layer1.0.bn7'.*backbone.layer1.0.bn1.*--list"):
        ns.select_layers(layers, ['layer1.0.bn7'])
    with pytest.raises(ValueError, match=r"'\(' is no layer and no regular expression"):
        ns.select_layers(layers, ['('])


def test_a_dsbn_checkpoint_gives_a_curve_per_dataset():
    state = state_of(dataset_norm={})
    state['backbone.bn1.running_mean'] = torch.stack([torch.arange(64.), -torch.arange(64.)])
    stats = ns.read_norm_stats(state, 'backbone.bn1')
    assert list(stats.mean) == list(stats.var) == ['one', 'two']
    np.testing.assert_array_equal(stats.mean['two'], -np.arange(64))
    (name, norms), = stats.filters.items()
    assert name == 'shared filters'
    weight = state['backbone.conv1.weight'].numpy()
    np.testing.assert_allclose(norms, [np.sqrt((w ** 2).sum()) for w in weight], rtol=1e-5)
    assert list(ns.read_norm_stats(state, 'backbone.bn1', 'run').mean) == ['run: one', 'run: two']


def test_shared_statistics_are_one_curve():
    stats = ns.read_norm_stats(state_of(dataset_norm={'share': 'statistics'}), 'backbone.bn1')
    assert list(stats.mean) == ['all datasets'] and stats.mean['all datasets'].shape == (64,)
    assert list(stats.filters) == ['all datasets']


def test_a_plain_checkpoint_is_named_by_its_dataset_or_folder():
    alone = state_of(datasets=DATASETS[1:])
    assert list(ns.read_norm_stats(alone, 'backbone.bn1', default='folder').mean) == ['two']
    assert list(ns.read_norm_stats(state_of(), 'backbone.bn1', default='folder').mean) == ['folder']
    assert list(ns.read_norm_stats(alone, 'backbone.bn1', 'x').filters) == ['x']


def test_runs_are_read_from_files(tmp_path):
    (tmp_path / 'first').mkdir()
    torch.save({'state_dict': state_of(), 'meta': {}}, tmp_path / 'first' / 'iter_1.pth')
    torch.save(state_of(dataset_norm={}), tmp_path / 'second.pth')
    runs = ns.load_runs([tmp_path / 'first' / 'iter_1.pth', f'b={tmp_path / "second.pth"}'])
    stats = ns.collect(runs, ['backbone.bn1'])['backbone.bn1']
    assert [list(s.mean) for s in stats] == [['first'], ['b: one', 'b: two']]
    with pytest.raises(ValueError, match="two curves are named 'first'.*LABEL=CHECKPOINT"):
        ns.collect([runs[0], runs[0]], ['backbone.bn1'])
    with pytest.raises(FileNotFoundError, match='nothing.pth'):
        ns.load_runs([tmp_path / 'nothing.pth'])


def test_files_and_layers_that_do_not_fit_are_named(tmp_path):
    torch.save({'state_dict': {'weight': torch.zeros(3)}}, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='a.pth.*no batch norm with running statistics'):
        ns.load_runs([tmp_path / 'a.pth'])
    torch.save([1, 2], tmp_path / 'b.pth')
    with pytest.raises(ValueError, match='b.pth.*list.*state dict'):
        ns.load_runs([tmp_path / 'b.pth'])
    (tmp_path / 'c.pth').write_text('no checkpoint')
    with pytest.raises(ValueError, match='c.pth.*cannot be read as a checkpoint'):
        ns.load_runs([tmp_path / 'c.pth'])
    torch.save(state_of(), tmp_path / 'd.pth')
    torch.save(nn.BatchNorm2d(3).state_dict() | {'bn.running_mean': torch.zeros(3),
                                                 'bn.running_var': torch.ones(3)},
               tmp_path / 'e.pth')
    runs = ns.load_runs([f'd={tmp_path / "d.pth"}', f'e={tmp_path / "e.pth"}'])
    with pytest.raises(ValueError, match='e.pth has no batch norm backbone.bn1'):
        ns.collect(runs, ['backbone.bn1'])


def test_densities_agree_with_a_slow_loop_and_integrate_to_one():
    values = np.random.default_rng(0).normal(size=50)
    grid = np.linspace(-8, 8, 801)
    found = ns.density(values, grid, 0.3)
    slow = [np.mean([np.exp(-0.5 * ((x - v) / 0.3) ** 2) / (0.3 * np.sqrt(2 * np.pi))
                     for v in values]) for x in grid]
    np.testing.assert_allclose(found, slow, rtol=1e-9)
    assert found.sum() * (grid[1] - grid[0]) == pytest.approx(1.0)


@pytest.mark.parametrize('log', [False, True])
def test_curves_of_a_panel_share_their_grid(log):
    curves = {'a': np.full(5, 2.0), 'b': np.array([1.0, 2, 3, 4, 5])}
    grid, densities = ns.panel_densities(curves, log)
    assert set(densities) == {'a', 'b'}
    assert all(len(d) == len(grid) and np.isfinite(d).all() for d in densities.values())
    assert grid[0] < 1 and grid[-1] > 5


@pytest.mark.parametrize('values', [[0.0, 0.0, 0.0], [0.0, 1.0, 1.0], [3.0], [-1e30, 0.0, 1e30]])
def test_degenerate_statistics_can_be_drawn(values):
    for log in (False, True):
        grid, densities = ns.panel_densities({'a': np.abs(values) if log else np.array(values)},
                                             log)
        assert np.isfinite(grid).all() and (np.diff(grid) > 0).all()
        assert np.isfinite(densities['a']).all() and densities['a'].max() > 0


@pytest.mark.parametrize(('low', 'high'), [
    (0.09, 5), (0.3, 40), (0.99, 201), (30, 290), (101, 103), (0.011, 9.9), (1e-12, 1e-1)])
def test_ticks_of_logarithmic_axes_are_round_and_few(low, high):
    ticks = ns.log_ticks(low, high)
    assert 2 <= len(ticks) <= 8 and all(low <= tick <= high for tick in ticks)
    assert all(len(f'{tick:g}') <= 5 for tick in ticks)


def test_ticks_by_hand():
    assert ns.log_ticks(0.09, 5) == [0.1, 0.2, 0.5, 1, 2, 5]
    assert ns.log_ticks(0.9, 1100) == [1, 10, 100, 1000]


def test_distances_by_hand():
    a = ns.NormStats({'one': np.array([0.0, 4.0]), 'two': np.array([3.0, 0.0])},
                     {'one': np.array([1.0, 4.0]), 'two': np.array([1.0, 4.0])}, {})
    b = ns.NormStats({'three': np.array([4.0, 1.0])}, {'three': np.array([1.0, 4.0])}, {})
    pairs = {(p.first, p.second): p for p in ns.mean_distances([a, b])}
    assert list(pairs) == [('one', 'two'), ('one', 'three'), ('two', 'three')]
    # |0 - 3| / 1 and |4 - 0| / 2; sorted: |0 - 0| and |4 - 3| over sqrt(2.5)
    assert pairs['one', 'two'].by_channel == pytest.approx((3 + 2) / 2)
    assert pairs['one', 'two'].sorted == pytest.approx(0.5 / np.sqrt(2.5))
    # Channels of two networks do not correspond.
    assert pairs['one', 'three'].by_channel is None
    assert pairs['one', 'three'].sorted == pytest.approx(0.5 / np.sqrt(2.5))
    assert pairs['two', 'three'].sorted == pytest.approx(1 / np.sqrt(2.5))


def test_the_table_names_layers_and_pairs():
    model = build(dataset_norm={})
    model.backbone.bn1.running_mean[1] += 2
    run = ns.Run('a.pth', None, 'a', model.state_dict())
    text = ns.format_distances(ns.collect([run], ['backbone.bn1', 'backbone.layer4.1.bn2']))
    lines = [line for line in text.splitlines() if 'one' in line]
    assert 'backbone.bn1' in lines[0] and lines[0].count('2.000') == 2
    assert 'backbone.layer4.1.bn2' in lines[1] and '0.000' in lines[1]
    plain = ns.Run('a.pth', 'a', 'a', state_of())
    assert 'one curve' in ns.format_distances(ns.collect([plain], ['backbone.bn1']))


def test_networks_of_different_width_are_not_compared():
    a = ns.NormStats({'one': np.zeros(2)}, {'one': np.ones(2)}, {})
    b = ns.NormStats({'two': np.zeros(3)}, {'two': np.ones(3)}, {})
    (pair,) = ns.mean_distances([a, b])
    assert pair.by_channel is None and pair.sorted is None


def test_the_picture_is_written(tmp_path):
    runs = [ns.Run('a.pth', None, 'a', state_of(dataset_norm={})),
            ns.Run('b.pth', 'b', 'b', state_of())]
    runs[0].state.pop('backbone.conv1.weight')
    runs[1].state.pop('backbone.conv1.weight')
    ns.draw_norm_stats(ns.collect(runs, ['backbone.bn1', 'decode_head.head.convs.0.bn']),
                       tmp_path / 'out.png')
    assert (tmp_path / 'out.png').read_bytes()[:4] == b'\x89PNG'
