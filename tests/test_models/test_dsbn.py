"""Dataset-specific batch norm against one ``nn.BatchNorm2d`` per dataset."""

import copy
import functools

import pytest
import torch
from mmcv.cnn import ConvModule, build_norm_layer
from mmengine.model import ExponentialMovingAverage
from torch import nn
from torch.utils.checkpoint import checkpoint

from mmseg_multids.models import DSBN, DatasetContext, collapse_dsbn, convert_to_dsbn

NAMES = ('a', 'b', 'c')
KEYS = ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked')


def make(channels=3, seed=0, **options):
    """A bound layer with random parameters, and independent batch norms of the same state."""
    context = DatasetContext(NAMES)
    layer = DSBN(channels, **options)
    layer.bind(context, 'stem.bn1')
    generator = torch.Generator().manual_seed(seed)
    plain = {}
    for i, name in enumerate(NAMES):
        plain[name] = nn.BatchNorm2d(channels, layer.eps, layer.momentum, layer.affine,
                                     layer.track_running_stats)
        if layer.affine and layer.share != 'affine':
            for key in ('weight', 'bias'):
                value = torch.randn(channels, generator=generator)
                getattr(plain[name], key).data = value
                getattr(layer, key).data[i] = value
    return context, layer, plain


def images(size, channels=3, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(size, channels, 4, 5, generator=generator) * 2 + 1
    return x.to(dtype)


def assert_rows_equal(layer, plain, **tolerance):
    for i, name in enumerate(NAMES):
        for key in KEYS:
            expected = getattr(plain[name], key)
            if expected is not None:
                torch.testing.assert_close(getattr(layer, key)[i], expected, **tolerance)


@pytest.mark.parametrize('momentum', [0.1, 0.3, None])
@pytest.mark.parametrize('affine', [True, False])
def test_batches_of_one_dataset_equal_its_own_batch_norm(momentum, affine):
    context, layer, plain = make(momentum=momentum, affine=affine)
    for step, name in enumerate(('a', 'b', 'a', 'c', 'b', 'a')):
        ours, theirs = (images(4, seed=step).requires_grad_() for _ in range(2))
        with context.batch([name] * 4):
            out = layer(ours)
        expected = plain[name](theirs)
        assert torch.equal(out, expected)
        (out ** 2).sum().backward()
        (expected ** 2).sum().backward()
        assert torch.equal(ours.grad, theirs.grad)
    assert_rows_equal(layer, plain, rtol=0, atol=0)
    if affine:
        for i, name in enumerate(NAMES):
            torch.testing.assert_close(layer.weight.grad[i], plain[name].weight.grad)
    layer.eval()
    for name in NAMES:
        plain[name].eval()
        with context.batch([name] * 2):
            assert torch.equal(layer(images(2)), plain[name](images(2)))


@pytest.mark.parametrize('names', ['aabbcc', 'cabbac', 'bbbbbc', 'abcabc', 'bbaacc', 'ccbbaa'])
@pytest.mark.parametrize('training', [True, False])
def test_mixed_batches_equal_each_dataset_alone(names, training):
    context, layer, plain = make()
    layer.train(training)
    ours, theirs = (images(6, seed=3).requires_grad_() for _ in range(2))
    with context.batch(list(names)):
        out = layer(ours)
    expected = torch.empty_like(out)
    present = [name for name in NAMES if name in names]
    for name in present:
        where = [i for i, n in enumerate(names) if n == name]
        if training and len(where) == 1:
            plain[name].train()
        expected[where] = plain[name].train(training)(theirs[where])
    torch.testing.assert_close(out, expected, rtol=0, atol=0)
    goal = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    out.backward(goal)
    expected.backward(goal)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=0)
    assert_rows_equal(layer, plain, rtol=0, atol=0)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    """As BatchNorm2d in float32 on half images, which is what autocast gives it."""
    context, layer, plain = make()
    x = images(6, dtype=dtype)
    with context.batch(list('aabbcc')):
        out = layer(x)
    assert out.dtype == dtype
    expected = torch.cat([plain[name](x[i:i + 2]) for name, i in zip(NAMES, (0, 2, 4))])
    torch.testing.assert_close(out, expected, rtol=0, atol=0)
    assert layer.running_mean.dtype == torch.float32
    assert_rows_equal(layer, plain, rtol=0, atol=0)


@pytest.mark.parametrize('names', ['aaaaaa', 'aabbcc'])
def test_channels_last_stays(names):
    context, layer, _ = make(channels=8)
    x = images(6, channels=8)
    with context.batch(list(names)):
        expected = layer(x)
        out = layer(x.to(memory_format=torch.channels_last))
    assert out.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(out, expected)


class Net(nn.Module):
    """Two checkpointed blocks."""

    def __init__(self, with_cp=False, reentrant=True, **options):
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), DSBN(3, **options), nn.ReLU())
            for _ in range(2))
        self.run = (functools.partial(checkpoint, use_reentrant=reentrant) if with_cp
                    else lambda block, x: block(x))

    def forward(self, x):
        for block in self.blocks:
            x = self.run(block, x)
        return x


@pytest.mark.parametrize('reentrant', [True, False])
@pytest.mark.parametrize('backwards', ['one each', 'one each, later', 'summed'])
def test_gradient_checkpointing_finds_the_batch_again(reentrant, backwards):
    """The recomputation runs when a later forward has changed the context, or none is set."""
    results = []
    for with_cp in (False, True):
        net = Net(with_cp, reentrant)
        context = DatasetContext(NAMES)
        for name, module in net.named_modules():
            if isinstance(module, DSBN):
                module.bind(context, name)
        losses = []
        for seed, names in enumerate(('aa', 'bb', 'ca', 'aa')):
            x = images(2, seed=seed).requires_grad_()
            with context.batch(list(names)):
                loss = (net(x) * images(1, seed=9)[:, :, :1, :1]).square().sum() * (seed + 1)
                context.remember(loss)
            losses.append(loss)
            if backwards == 'one each':
                loss.backward()
        if backwards == 'summed':
            sum(losses).backward()
        elif backwards == 'one each, later':
            for loss in losses:
                loss.backward()
        results.append({**{k: p.grad for k, p in net.named_parameters()}, **dict(net.state_dict())})
    for key, expected in results[0].items():
        torch.testing.assert_close(results[1][key], expected, rtol=1e-5, atol=1e-5, msg=key)


def test_checkpointing_without_a_remembered_batch_is_refused():
    net, context = Net(True), DatasetContext(NAMES)
    for module in net.modules():
        if isinstance(module, DSBN):
            module.bind(context)
    with context.batch(['a', 'a']):
        loss = net(images(2).requires_grad_()).sum()
    with pytest.raises(ValueError, match='datasets of this batch are not known'):
        loss.backward()


def test_an_averaged_copy_has_its_own_context_and_its_own_statistics():
    net, context = Net(), DatasetContext(NAMES)
    for module in net.modules():
        if isinstance(module, DSBN):
            module.bind(context)
    net.context = context
    ema = ExponentialMovingAverage(net, momentum=0.5, update_buffers=True)
    with context.batch(['b', 'b']):
        net(images(2))
    ema.update_parameters(net)  # the first one copies
    with context.batch(['b', 'b']):
        net(images(2, seed=1))
    before = ema.module.blocks[0][1].running_mean.clone()
    ema.update_parameters(net)
    ours, copied = net.blocks[0][1], ema.module.blocks[0][1]
    assert copied.context is not context and copied.context is ema.module.context
    torch.testing.assert_close(copied.running_mean, (before + ours.running_mean) / 2)
    assert torch.equal(copied.dataset_names, ours.dataset_names)
    with copied.context.batch(['b', 'b']), pytest.raises(ValueError, match='not known'):
        net(images(2))


def test_one_value_per_channel_is_refused_with_layer_and_dataset():
    context, layer, plain = make()
    x = torch.randn(3, 3, 1, 1)
    with context.batch(['a', 'a', 'b']), \
            pytest.raises(ValueError, match="stem.bn1: one value per channel of dataset 'b'"):
        layer(x)
    layer.eval()
    with context.batch(['a', 'a', 'b']):
        layer(x)


def test_one_value_per_channel_may_use_the_running_statistics():
    context, layer, plain = make(single_value='running')
    for name in 'ab':
        with context.batch([name] * 4):
            plain[name](images(4)), layer(images(4))
    x = torch.randn(3, 3, 1, 1)
    with context.batch(['a', 'a', 'b']):
        out = layer(x)
    torch.testing.assert_close(out[:2], plain['a'](x[:2]))
    torch.testing.assert_close(out[2:], plain['b'].eval()(x[2:]))
    assert_rows_equal(layer, plain)  # a lone value moves no statistics


def test_shared_affine():
    context, layer, plain = make(share='affine')
    assert layer.weight.shape == (3,) and layer.running_mean.shape == (3, 3)
    layer.weight.data = torch.tensor([1., 2., 3.])
    for norm in plain.values():
        norm.weight.data, norm.bias.data = layer.weight.data, layer.bias.data
    x = images(4)
    with context.batch(list('aabb')):
        out = layer(x)
    torch.testing.assert_close(out, torch.cat([plain['a'](x[:2]), plain['b'](x[2:])]))
    assert layer.dataset_rows(['a']) == {}


@pytest.mark.parametrize('names', ['aaaa', 'aabb', 'abab', 'bbaa'])
def test_shared_statistics(names):
    context, layer, plain = make(share='statistics')
    assert layer.weight.shape == (3, 3) and layer.running_mean.shape == (3,)
    x, joint = images(4), nn.BatchNorm2d(3, affine=False)
    with context.batch(list(names)):
        out = layer(x)
    rows = ['abc'.index(name) for name in names]
    normed = joint(x)
    expected = (normed * layer.weight[rows][:, :, None, None]
                + layer.bias[rows][:, :, None, None])
    torch.testing.assert_close(out, expected)
    for key in ('running_mean', 'running_var', 'num_batches_tracked'):
        torch.testing.assert_close(getattr(layer, key), getattr(joint, key))
    layer.eval(), joint.eval()
    with context.batch(list(names)):
        torch.testing.assert_close(
            layer(x), joint(x) * layer.weight[rows][:, :, None, None]
            + layer.bias[rows][:, :, None, None])


def test_without_running_statistics_every_batch_has_its_own():
    context, layer, plain = make(track_running_stats=False)
    layer.eval()
    x = images(4)
    with context.batch(list('aabb')):
        torch.testing.assert_close(
            layer(x), torch.cat([plain['a'](x[:2]), plain['b'](x[2:])]))


@pytest.mark.parametrize(('case', 'words', 'error'), [
    ('unbound', 'knows no datasets', RuntimeError),
    ('no names', 'datasets of this batch are not known.*norm_fallback', ValueError),
    ('unknown', "unknown dataset 'z' in a batch; the model knows a, b, c", ValueError),
    ('too few', '1 samples have a dataset, the input has 2', ValueError),
    ('shape', r'stem.bn1: expected \[B, 3, ...\], got \[2, 4, 1\]', ValueError),
])
def test_bad_batches(case, words, error):
    context, layer, _ = make()
    with pytest.raises(error, match=words):
        if case == 'unbound':
            DSBN(3)(images(2))
        elif case == 'no names':
            layer(images(2))
        elif case == 'unknown':
            with context.batch(['a', 'z']):
                layer(images(2))
        elif case == 'too few':
            with context.batch(['a']):
                layer(images(2))
        else:
            with context.batch(['a', 'a']):
                layer(torch.zeros(2, 4, 1))


@pytest.mark.parametrize('options', [{'share': 'all'}, {'single_value': 'zero'},
                                     {'single_value': 'running', 'track_running_stats': False}])
def test_bad_options(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        DSBN(3, **options)


def test_binding_twice_is_refused():
    context, layer, _ = make()
    with pytest.raises(RuntimeError, match='bound to datasets already'):
        layer.bind(context)


# ------------------------------------------------------------------- building


@pytest.mark.parametrize('requires_grad', [True, False])
def test_norm_cfg_and_conv_modules(requires_grad):
    cfg = {'type': 'DSBN', 'requires_grad': requires_grad, 'eps': 1e-3}
    name, layer = build_norm_layer(cfg, 4, postfix=1)
    assert name == 'bn1' and layer.eps == 1e-3
    layer.bind(DatasetContext(NAMES), 'x')
    assert layer.weight.requires_grad is layer.bias.requires_grad is requires_grad
    module = ConvModule(3, 4, 3, norm_cfg=cfg)
    assert isinstance(module.bn, DSBN) and module.conv.bias is None
    module.bn.bind(DatasetContext(NAMES))
    module.init_weights()
    assert torch.equal(module.bn.weight, torch.ones(3, 4))


def test_converting_keeps_state_mode_and_gradients():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, eps=1e-3), nn.Sequential(
        nn.SyncBatchNorm(4, momentum=None), nn.BatchNorm2d(4, affine=False)))
    net[1].running_mean.fill_(2.0)
    net[1].weight.requires_grad_(False)
    net[2].eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    context = convert_to_dsbn(net, NAMES, share=None)
    assert isinstance(net[1], DSBN) and net[1].eps == 1e-3 and not net[1].sync
    assert not net[1].weight.requires_grad and net[1].bias.requires_grad
    assert net[2][0].sync and net[2][0].momentum is None
    assert net[1].training and not net[2][1].training
    for key, value in net.state_dict().items():
        if key.endswith('dataset_names'):
            continue
        expected = before[key] if key.startswith('0.') else before[key].expand_as(value)
        assert torch.equal(value, expected), key
    net.eval()
    collapsed = copy.deepcopy(net)
    collapse_dsbn(collapsed, 'b')
    x = images(2)
    with context.batch(['b', 'b']):
        assert torch.equal(net(x), collapsed(x))
    assert {k: v.shape for k, v in collapsed.state_dict().items()} == \
        {k: v.shape for k, v in before.items()}
    with pytest.raises(ValueError, match="unknown dataset 'z'"):
        collapse_dsbn(net, 'z')
    with pytest.raises(ValueError, match='has no batch norm'):
        convert_to_dsbn(nn.Conv2d(1, 1, 1), NAMES)


# ------------------------------------------------------------------ checkpoints


def test_an_ordinary_checkpoint_is_copied_to_every_dataset():
    context, layer, _ = make()
    stored = nn.BatchNorm2d(3)
    stored(images(4))
    missing, unexpected = layer.load_state_dict(stored.state_dict(), strict=False)
    assert not missing and not unexpected
    for i in range(3):
        assert torch.equal(layer.running_mean[i], stored.running_mean)
        assert layer.num_batches_tracked[i] == 1
    layer.running_mean[0] += 1  # rows are copies, not views of one another
    assert torch.equal(layer.running_mean[1], stored.running_mean)


def test_rows_are_matched_by_name_whatever_their_order():
    _, layer, _ = make(seed=1)
    other = DSBN(3)
    other.bind(DatasetContext(('c', 'a')))
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other.weight, layer.weight[[2, 0]])
    lacking = DSBN(3)
    lacking.bind(DatasetContext(('a', 'd', 'e')), 'stem')
    with pytest.raises(ValueError, match='stem: the checkpoint has no statistics of d, e; it has '
                                         'those of a, b, c'):
        lacking.load_state_dict(layer.state_dict())


def test_rows_are_copies_under_assign():
    layer = make()[1]
    layer.load_state_dict(nn.BatchNorm2d(3).state_dict(), strict=False, assign=True)
    with torch.no_grad():
        layer.weight[0] += 1
    assert torch.equal(layer.weight[1], torch.ones(3))


def test_collapsing_gives_back_the_kind_of_layer():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.BatchNorm3d(3))
    context = convert_to_dsbn(model, NAMES)
    with context.batch(['a'] * 4):
        model[0](torch.randn(4, 3))
    collapse_dsbn(model, 'a')
    assert [type(layer) for layer in model] == [nn.BatchNorm1d, nn.BatchNorm3d]
    model[0](torch.randn(4, 3))
    with pytest.raises(ValueError, match='none: it was never bound'):
        collapse_dsbn(nn.Sequential(DSBN(3)), 'mean')


def test_a_layer_in_two_places_stays_one_layer():
    model = nn.ModuleDict({'one': nn.BatchNorm2d(3)})
    model['two'] = model['one']
    convert_to_dsbn(model, NAMES)
    assert isinstance(model['two'], DSBN) and model['two'] is model['one']
    collapse_dsbn(model, 'a')
    assert type(model['two']) is nn.BatchNorm2d and model['two'] is model['one']


def test_the_mean_over_datasets():
    context, layer, _ = make()
    for name in NAMES:
        with context.batch([name] * 4):
            layer(images(4, seed=ord(name)) * ord(name) / 90)
    layer.eval()
    x = images(2)
    with context.batch(None, norm=['mean', 'mean']):
        out = layer(x)
    mean = layer.running_mean.mean(dim=0)
    var = layer.running_var.mean(dim=0) + (layer.running_mean - mean).square().mean(dim=0)
    expected = torch.nn.functional.batch_norm(x, mean, var, layer.weight.mean(dim=0),
                                              layer.bias.mean(dim=0))
    torch.testing.assert_close(out, expected)
