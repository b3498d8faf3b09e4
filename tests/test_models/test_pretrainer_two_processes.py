"""Pretraining in two processes (gloo) equals that in one with batch norms over both."""

import copy
import os
import traceback

import pytest
import torch
import torch.multiprocessing as mp
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope

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


def worker(rank, port, queue, contrast):
    try:
        torch.set_num_threads(1)
        init_default_scope('mmseg')
        torch.distributed.init_process_group(
            'gloo', init_method=f'tcp://localhost:{port}', rank=rank, world_size=2)
        made = train(contrast, rank)
        queue.put((rank, {k: v.numpy().copy() for k, v in made.state_dict().items()}))
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    except Exception:
        queue.put((rank, traceback.format_exc()))


@pytest.mark.parametrize('contrast', ['prototype', 'region', 'pixel'])
def test_two_processes_train_as_one(contrast):
    context = mp.get_context('spawn')
    queue, port = context.Queue(), 41000 + (os.getpid() + len(contrast)) % 20000
    processes = [context.Process(target=worker, args=(rank, port, queue, contrast))
                 for rank in range(2)]
    for process in processes:
        process.start()
    found = dict(queue.get(timeout=200) for _ in processes)
    for process in processes:
        process.join(timeout=60)
    alone = {k: v for k, v in train(contrast).state_dict().items()}
    start = model(contrast).state_dict()
    for rank in range(2):
        assert isinstance(found[rank], dict), found[rank]
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
