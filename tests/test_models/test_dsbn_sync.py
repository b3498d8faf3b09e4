"""Statistics over all processes, seen from one of two; real processes: test_two_processes.py."""

import copy

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from mmseg_multids.models.layers import dsbn as dsbn_module

from .test_dsbn import images, make


def as_two_processes(monkeypatch, other=lambda tensor: tensor):
    """Let the layer believe that another process has the same part of the batch."""
    monkeypatch.setattr(dsbn_module, 'get_world_size', lambda: 2)
    monkeypatch.setattr(dsbn_module, 'all_gather', lambda tensor: [tensor, other(tensor)])


@pytest.mark.parametrize('names', ['aaaa', 'bbaa'])
def test_synchronised_statistics_stay_out_of_the_graph(monkeypatch, names):
    as_two_processes(monkeypatch)
    context, layer, _ = make(sync=True)
    single = make()[1]
    with context.batch(list(names)):
        out = layer(images(4).requires_grad_())
    with single.context.batch(list(names)):
        torch.testing.assert_close(out, single(images(4)))
    assert not layer.running_var.requires_grad and not layer.running_mean.requires_grad
    # Twice as many values, so the unbiased variance differs; the mean does not.
    torch.testing.assert_close(layer.running_mean, single.running_mean)
    copy.deepcopy(layer)


def test_rows_that_only_another_process_saw_move_too(monkeypatch):
    def other(tensor):  # this process has dataset a; the other has b, of mean 2 and variance 4
        there = torch.zeros_like(tensor)
        there[1, :3], there[1, 3:6], there[1, 6] = 2.0, 4.0, 50
        return there

    as_two_processes(monkeypatch, other)
    context, layer, _ = make(sync=True)
    with context.batch(['a'] * 4):
        layer(images(4))
    assert layer.num_batches_tracked.tolist() == [1, 1, 0]
    torch.testing.assert_close(layer.running_mean[1], torch.full((3,), 0.2))
    torch.testing.assert_close(layer.running_var[1], torch.full((3,), 0.9 + 0.1 * 4 * 50 / 49))
    assert torch.equal(layer.running_mean[2], torch.zeros(3))


@pytest.mark.parametrize('reentrant', [True, False])
@pytest.mark.parametrize('share', [None, 'affine', 'statistics'])
def test_synchronised_layers_may_be_checkpointed(monkeypatch, reentrant, share):
    as_two_processes(monkeypatch)
    context, layer, _ = make(sync=True, share=share)
    grads = []
    for with_cp in (False, True):
        x = images(4).requires_grad_()
        with context.batch(['b', 'a', 'a', 'b']):
            out = checkpoint(layer, x, use_reentrant=reentrant) if with_cp else layer(x)
            loss = out.square().sum()
            context.remember(loss)
        loss.backward()
        grads.append(x.grad)
    torch.testing.assert_close(grads[0], grads[1])
    assert int(layer.num_batches_tracked.sum()) == (2 if share == 'statistics' else 4)


def test_evaluation_waits_for_no_other_process(monkeypatch):
    monkeypatch.setattr(dsbn_module, 'get_world_size', lambda: 2)
    monkeypatch.setattr(dsbn_module, 'all_gather', lambda tensor: pytest.fail('a collective'))
    context, layer, _ = make(sync=True, track_running_stats=False)
    with context.batch(['a', 'a', 'b', 'b']):
        layer.eval()(images(4))


@pytest.mark.parametrize('single_value', ['error', 'running'])
def test_one_value_over_all_processes(monkeypatch, single_value):
    as_two_processes(monkeypatch, torch.zeros_like)
    context, layer, _ = make(sync=True, single_value=single_value)
    x = images(3)[:, :, :1, :1]
    with context.batch(['a', 'a', 'b']):
        if single_value == 'error':
            with pytest.raises(ValueError, match="one value per channel of dataset 'b'"):
                layer(x)
            return
        out = layer(x)
    expected = x[2:] * layer.weight[1].view(1, 3, 1, 1) / (1 + layer.eps) ** 0.5 \
        + layer.bias[1].view(1, 3, 1, 1)
    torch.testing.assert_close(out[2:], expected)
    assert layer.num_batches_tracked.tolist() == [1, 0, 0]
