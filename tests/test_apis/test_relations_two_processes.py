"""Relations gathered by two processes (gloo) are those of one."""

import os
import traceback

import numpy as np
import torch
import torch.multiprocessing as mp
from mmengine.registry import init_default_scope

from mmseg_multids.apis.relations import gather_relations

from .test_relations import setup


def worker(rank: int, port: int, queue) -> None:
    try:
        os.environ.update(MASTER_ADDR='localhost', MASTER_PORT=str(port), RANK=str(rank),
                          WORLD_SIZE='2')
        torch.set_num_threads(1)
        init_default_scope('mmseg')
        torch.distributed.init_process_group('gloo', rank=rank, world_size=2)
        model, images, _ = setup('null')
        found = gather_relations(model, images)
        queue.put((rank, (found.scores, found.counts, found.tau)))
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    except Exception:
        queue.put((rank, traceback.format_exc()))


def test_two_processes_find_what_one_does():
    context = mp.get_context('spawn')
    queue = context.Queue()
    port = 20000 + (os.getpid() + 7919) % 20000
    processes = [context.Process(target=worker, args=(rank, port, queue)) for rank in range(2)]
    for process in processes:
        process.start()
    results = dict(queue.get(timeout=300) for _ in processes)
    for process in processes:
        process.join(timeout=60)
    model, images, _ = setup('null')
    expected = gather_relations(model, images)
    for result in results.values():
        assert not isinstance(result, str), result
        scores, counts, tau = result
        for dataset in expected.scores:
            assert counts[dataset].tolist() == expected.counts[dataset].tolist()
            np.testing.assert_allclose(scores[dataset], expected.scores[dataset], rtol=1e-9)
        assert tau == np.float64(tau) and abs(tau - expected.tau) < 1e-9
