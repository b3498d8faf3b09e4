"""WideResNet38: its size, strides, and that it works as other backbones do."""

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn

from mmseg_multids.models import DSBN, WideResNet38
from mmseg_multids.registry import MODELS

from .toy import FCN, batch, build

SMALL = {'type': 'WideResNet38', 'width': 1 / 32}
HEAD = {**FCN, 'in_channels': 128, 'in_index': -1}


def network(**changes):
    torch.manual_seed(0)
    model = MODELS.build({**SMALL, **changes})
    model.init_weights()
    return model


def test_parameters_are_those_of_the_papers_table():
    """Written out: weights of convolutions, then two numbers per channel of each norm."""
    convolutions = (
        9 * 3 * 64
        + 9 * 64 * 128 + 64 * 128 + 5 * 9 * 128 * 128  # the first block has a projection
        + 9 * 128 * 256 + 128 * 256 + 5 * 9 * 256 * 256
        + 9 * 256 * 512 + 256 * 512 + 11 * 9 * 512 * 512
        + 9 * 512 * 512 + 9 * 512 * 1024 + 512 * 1024 + 2 * 2 * 9 * 1024 * 512
        + 1024 * 512 + 9 * 512 * 1024 + 1024 * 2048 + 1024 * 2048
        + 2048 * 1024 + 9 * 1024 * 2048 + 2048 * 4096 + 2048 * 4096)
    norms = 2 * ((64 + 128) + 2 * 256 + (128 + 256) + 2 * 512 + (256 + 512) + 5 * 1024
                 + (512 + 512) + 2 * (1024 + 512) + (1024 + 512 + 1024) + (2048 + 1024 + 2048)
                 + 4096)
    with torch.device('meta'):
        model = WideResNet38()
    assert sum(p.numel() for p in model.parameters()) == convolutions + norms
    # 38 layers with the classifier: the stem, 2 x 15 and 3 x 2 in blocks, no projections.
    deep = [n for n, m in model.named_modules() if isinstance(m, nn.Conv2d) and 'shortcut' not in n]
    assert len(deep) == 37
    assert sum(isinstance(m, nn.Conv2d) for m in model.modules()) == 37 + 6


@pytest.mark.parametrize(('output_stride', 'strides'), [
    (8, (2, 4, 8, 8, 8, 8)), (16, (2, 4, 8, 16, 16, 16)), (32, (2, 4, 8, 16, 32, 32))])
def test_outputs_have_their_strides(output_stride, strides):
    model = network(output_stride=output_stride).eval()
    with torch.no_grad():
        outputs = model(torch.rand(1, 3, 64, 96))
    assert [tuple(out.shape[1:]) for out in outputs] == [
        (c // 32, 64 // s, 96 // s) for c, s in zip((128, 256, 512, 1024, 2048, 4096), strides)]
    assert outputs[-1].min() == 0 and outputs[0].min() < 0  # the last one alone ends with a ReLU


@pytest.mark.parametrize(('output_stride', 'dilations'), [
    (8, (1, 1, 1, 2, 4, 4)), (16, (1, 1, 1, 1, 2, 2)), (32, (1, 1, 1, 1, 1, 1))])
def test_dilations_take_the_place_of_strides(output_stride, dilations):
    model = network(output_stride=output_stride)
    for group, dilation in zip(model.groups, dilations):
        found = {m.dilation for m in group.modules()
                 if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)}
        assert found == {(dilation, dilation)}


def test_chosen_outputs():
    model, every = network(out_indices=(1, 3)).eval(), network().eval()
    assert len(model.groups) == 4 and model.norm.num_features == 1024 // 32
    every.load_state_dict({k: v for k, v in model.state_dict().items()
                           if not k.startswith('norm.')}, strict=False)
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        two, six = model(image), every(image)
        assert torch.equal(two[0], six[1])
        torch.testing.assert_close(two[1], model.norm(six[3]).relu())


def test_dropout_is_in_the_last_two_groups_while_training():
    model = network(dropout=(0.1, 0.2))
    found = {n: m.p for n, m in model.named_modules() if isinstance(m, nn.Dropout2d)}
    assert found == {'groups.4.0.dropout': 0.1, 'groups.5.0.dropout': 0.2}
    none = network(dropout=(0, 0))
    assert not any(isinstance(m, nn.Dropout2d) for m in none.modules())
    image = torch.rand(2, 3, 32, 32)
    outputs = model(image), model(image)
    assert torch.equal(outputs[0][3], outputs[1][3])
    assert not torch.equal(outputs[0][4], outputs[1][4])


def test_checkpointing_gives_the_same_gradients():
    results = []
    for with_cp in (False, True):
        model = network(with_cp=with_cp, norm_cfg={'type': 'BN'}).train()
        torch.manual_seed(5)  # of the dropout
        (model(torch.rand(2, 3, 32, 32))[-1] ** 2).mean().backward()
        results.append(([p.grad for p in model.parameters()], dict(model.named_buffers())))
    for a, b in zip(results[0][0], results[1][0]):
        torch.testing.assert_close(a, b)
    assert results[0][0][0].abs().sum() > 0


def test_frozen_groups_do_not_change():
    model = network(frozen_stages=2).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    model(torch.rand(2, 3, 32, 32))[-1].mean().backward()
    optimizer.step()
    moved = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert {'groups.2.0.convs.0.weight', 'norm.bias', 'groups.2.0.norms.0.running_mean'} <= moved
    assert not any(k.startswith(('stem', 'groups.0', 'groups.1')) for k in moved)
    assert not any(p.requires_grad for p in network(frozen_stages=6).parameters())


def test_norms_may_keep_their_statistics():
    model = network(norm_eval=True).train()
    before = model.norm.running_mean.clone()
    model(torch.rand(2, 3, 32, 32))
    assert torch.equal(model.norm.running_mean, before) and model.training
    assert model.norm.weight.requires_grad


@pytest.mark.parametrize(('changes', 'words'), [
    ({'output_stride': 4}, 'output_stride=4: allowed are 8, 16, 32'),
    ({'out_indices': (3, 1)}, r'out_indices=\(3, 1\)'), ({'out_indices': (6,)}, 'from 0 to 5'),
    ({'out_indices': ()}, 'out_indices'), ({'frozen_stages': 7}, 'allowed are -1 to 6'),
    ({'dropout': (0.3,)}, 'two probabilities'), ({'width': 0}, 'width=0')])
def test_refusals(changes, words):
    with pytest.raises(ValueError, match=words):
        WideResNet38(**changes)


@pytest.mark.parametrize('with_cp', [False, True])
def test_it_trains_with_norms_per_dataset(with_cp):
    model = build(HEAD, backbone={**SMALL, 'with_cp': with_cp}, dataset_norm={})
    norms = [m for m in model.backbone.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert len(norms) == 2 * 15 + 3 * 2 + 1 and all(isinstance(m, DSBN) for m in norms)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.1))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    losses = model.train_step(batch(['one', 'one']), wrapper)
    assert torch.isfinite(losses['loss'])
    after = model.state_dict()
    weight = 'backbone.groups.0.0.norms.1.running_mean'
    assert not torch.equal(after[weight][0], before[weight][0])
    assert torch.equal(after[weight][1], before[weight][1])  # nothing of the other dataset
    assert not torch.equal(after['backbone.stem.weight'], before['backbone.stem.weight'])
