"""The bank of prototypes in two processes (gloo)."""

import os
import traceback

import torch
import torch.multiprocessing as mp

from .test_prototypes import bank, batch

STEPS = 5


def worker(rank, port, queue):
    try:
        torch.set_num_threads(1)
        torch.distributed.init_process_group(
            'gloo', init_method=f'tcp://localhost:{port}', rank=rank, world_size=2)
        made = bank(images=12, batch_size=4)
        for step in range(STEPS):
            features, labels = batch(step, 4)
            # One process has three of the four images, and in one step none has a label.
            own = slice(0, 3) if rank == 0 else slice(3, 4)
            labels = torch.full_like(labels, -1) if step == 2 else labels
            made.update((features[own], labels[own]))
        queue.put((rank, {k: v.numpy().copy() for k, v in made.state_dict().items()}))
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    except Exception:
        queue.put((rank, traceback.format_exc()))


def test_two_processes_hold_the_bank_of_one():
    context = mp.get_context('spawn')
    queue, port = context.Queue(), 41000 + os.getpid() % 20000
    processes = [context.Process(target=worker, args=(rank, port, queue)) for rank in range(2)]
    for process in processes:
        process.start()
    found = dict(queue.get(timeout=120) for _ in processes)
    for process in processes:
        process.join(timeout=60)
    alone = bank(images=12, batch_size=4)
    for step in range(STEPS):
        features, labels = batch(step, 4)
        alone.update((features, torch.full_like(labels, -1) if step == 2 else labels))
    assert int(alone.total_images.sum()) > 0
    for rank in range(2):
        assert isinstance(found[rank], dict), found[rank]
        for key, value in alone.state_dict().items():
            assert (found[rank][key] == value.numpy()).all(), (rank, key)
