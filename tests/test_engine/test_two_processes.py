"""Two processes on a CPU (gloo), under the settings that a runner gives DistributedDataParallel."""

from __future__ import annotations

import copy

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper

from mmseg_multids.engine.absent_rows import AbsentRows
from mmseg_multids.engine.loops import _Accumulate, datasets_in
from mmseg_multids.models.layers.merge import StatisticsMerger

from ..processes import arrays, in_two_processes
from ..test_models.toy import FCN, batch, build

STEPS = (('one', 'two'), ('two', 'two'), ('one', 'one'))


def small(**changes):
    """A network whose statistics are not degenerate on small images."""
    return build({**FCN, 'in_channels': 64, 'in_index': 0}, backbone={
        'type': 'ResNet', 'depth': 18, 'num_stages': 1, 'out_indices': (0,), 'strides': (1,),
        'dilations': (1,), 'norm_cfg': {'type': 'BN'}}, **changes)


def halves(step: int, unlabelled: bool = False):
    """Four preprocessed samples of one step: the first two are rank 0's, the others rank 1's.

    Both ranks have the same datasets, as every plan makes them, in other images.
    """
    names = [name for _ in range(2) for name in STEPS[step]]
    data = batch(names)
    for i, (image, sample) in enumerate(zip(data['inputs'], data['data_samples'])):
        image += torch.tensor(40 * step + 10 * i, dtype=torch.uint8)
        if unlabelled and i >= 2:
            sample.gt_sem_seg.data[:, 8 if sample.metainfo['dataset'] == 'one' else 16:] = 255
    return data


def part(data: dict, rank: int) -> dict:
    keep = slice(2 * rank, 2 * rank + 2)
    return {key: value[keep] for key, value in data.items()}


def train(model, batches_of_step, distributed: bool) -> dict:
    """Train; return the state after each step."""
    net = model
    if distributed:  # as Runner.wrap_model
        net = MMDistributedDataParallel(model, broadcast_buffers=False,
                                        find_unused_parameters=False)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    wrapper = OptimWrapper(optimizer)
    merger = StatisticsMerger(model)
    absent = AbsentRows(model, optimizer, ('one', 'two'))
    for batches in batches_of_step:
        net.train()
        absent.begin_step()
        absent.see(datasets_in(batches))
        for i, data in enumerate(batches):
            step = wrapper if i + 1 == len(batches) else _Accumulate(wrapper)
            net.train_step(copy.deepcopy(data), optim_wrapper=step)
        merger.merge()
    return model.state_dict()


def worker(rank: int, case: str, norm: dict, head: dict) -> dict:
    model = small(dataset_norm=norm)
    for key, value in head.items():
        setattr(model.decode_head, key, value)
    return arrays(train(model, [[part(data, rank) for data in batches]
                                for batches in steps_of(case)], True))


def steps_of(case: str):
    if case == 'cycles':
        return [[halves(1), halves(2)] for _ in range(2)]
    return [[halves(step, case == 'unlabelled')] for step in range(3)]


def two_processes(case: str, norm: dict, head: dict | None = None) -> list[dict]:
    return [{k: torch.from_numpy(v) for k, v in state.items()}
            for state in in_two_processes(worker, case, norm, head or {})]


def assert_same(found: dict, expected: dict, keys=lambda key: True) -> None:
    for key, value in expected.items():
        if keys(key):
            torch.testing.assert_close(found[key], value, rtol=2e-4, atol=2e-5, msg=key)


@pytest.mark.parametrize('case', ['steps', 'cycles'])
def test_synchronised_statistics_equal_one_process_with_the_joint_batch(case):
    found = two_processes(case, {'sync': True})
    joint = train(small(dataset_norm={}), steps_of(case), False)
    assert_same(found[0], found[1])
    assert_same(found[0], joint)


@pytest.mark.parametrize('case', ['steps', 'cycles'])
def test_own_statistics_equal_one_process_that_normalises_each_half_alone(case):
    found = two_processes(case, {})
    model = small(dataset_norm={})
    expected = one_process_in_halves(model, steps_of(case))
    assert_same(found[0], found[1])
    assert_same(found[0], expected)


def one_process_in_halves(model, batches_of_step) -> dict:
    """The mean loss over both halves; each normalised alone, their running statistics averaged."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    absent = AbsentRows(model, optimizer, ('one', 'two'))
    model.train()
    for batches in batches_of_step:
        optimizer.zero_grad()
        absent.begin_step()
        absent.see(datasets_in(batches))
        before = {k: v.clone() for k, v in model.named_buffers() if 'running' in k
                  or 'tracked' in k}
        after = []
        for rank in range(2):
            buffers = dict(model.named_buffers())
            for key, value in before.items():
                buffers[key].copy_(value)
            for data in batches:
                data = model.data_preprocessor(copy.deepcopy(part(data, rank)), True)
                (model.parse_losses(model(**data, mode='loss'))[0] / 2).backward()
            after.append({k: v.clone() for k, v in model.named_buffers() if k in before})
        for key, buffer in model.named_buffers():
            if key in before:
                buffer.copy_(after[0][key] if 'tracked' in key
                             else (after[0][key] + after[1][key]) / 2)
        optimizer.step()
    return model.state_dict()


@pytest.mark.parametrize('reduction', ['mean', 'pixels'])
def test_the_normaliser_may_count_labelled_pixels_of_all_processes(reduction):
    """Rank 1 has a quarter to a half of the labels; with the option each pixel counts alike."""
    alone = small(dataset_norm={})
    alone.decode_head.dataset_reduction = reduction
    joint = train(alone, steps_of('unlabelled'), False)
    found = two_processes('unlabelled', {'sync': True}, {'sync_normalizer': True,
                                                         'dataset_reduction': reduction})
    assert_same(found[0], joint)
    if reduction == 'pixels':
        return
    without = two_processes('unlabelled', {'sync': True})
    assert not torch.allclose(without[0]['backbone.conv1.weight'],
                              joint['backbone.conv1.weight'], rtol=2e-4, atol=2e-5)


def test_sync_normalizer_refuses_losses_that_are_no_means_over_labels():
    head = {'type': 'UniSegHead', 'head': FCN, 'sync_normalizer': True}
    with pytest.raises(ValueError, match='avg_non_ignore=True and no class_weight, or'):
        build(decode_head={**head, 'loss_decode': {'type': 'CrossEntropyLoss'}})
    with pytest.raises(ValueError, match='loss_dice'):
        build(decode_head={**head, 'loss_decode': {'type': 'DiceLoss'}})
    with pytest.raises(ValueError, match='a pixel sampler weighs them'):
        build(decode_head={**head, 'sampler': {'type': 'OHEMPixelSampler'}})
