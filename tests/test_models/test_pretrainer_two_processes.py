"""Pretraining in two processes (gloo) equals that in one with batch norms over both."""

import copy

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper

from ..processes import arrays, in_two_processes
from .test_pretrainer import build, data

STEPS = 3


def model(contrast):
    options = {'consistency': {}} if contrast == 'prototype' else {}
    return build(contrast=contrast, regions=2, dataset_norm={'sync': True}, images=8,
                 batch_size=4, **options)


def train(contrast, rank=None):
    made = model(contrast)
    net = made if rank is None else MMDistributedDataParallel(made, broadcast_buffers=False)
    optim = OptimWrapper(torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9))
    for step in range(STEPS):
        batch = data(('one', 'two', 'one', 'two'), views=3, seed=step)
        if contrast == 'prototype':
            # Views and processes have different numbers of labelled pixels.
            for i, sample in enumerate(batch['data_samples']):
                sample.gt_sem_seg.data[:, :5 * i + 3] = 255
        if rank is not None:
            own = slice(2 * rank, 2 * rank + 2)
            batch = {key: value[own] for key, value in batch.items()}
        net.train_step(copy.deepcopy(batch), optim_wrapper=optim)
    return made


def part(rank, contrast):
    return arrays(train(contrast, rank).state_dict())


@pytest.mark.parametrize('contrast', ['prototype', 'region', 'pixel'])
def test_two_processes_train_as_one(contrast):
    found = in_two_processes(part, contrast)
    alone = {k: v for k, v in train(contrast).state_dict().items()}
    start = model(contrast).state_dict()
    moved = 0
    for key, value in alone.items():
        for rank in range(2):
            other = torch.from_numpy(found[rank][key])
            if key.startswith('bank.') and value.dtype != torch.float32:
                # Whole numbers of a millionth, of embeddings that differ by rounding.
                assert (other - value).abs().max() <= 50, key
            else:
                torch.testing.assert_close(other, value, atol=1e-4, rtol=1e-3, msg=key)
            assert (found[0][key] == found[1][key]).all(), key
        moved += int(not torch.equal(value, start[key]))
    assert moved > 20
