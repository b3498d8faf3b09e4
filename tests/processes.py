"""Two processes (gloo) for the tests of what several processes do together."""

from __future__ import annotations

import os
import queue
import tempfile
import time
import traceback

import torch
import torch.multiprocessing as mp
from mmengine.registry import init_default_scope


def _worker(rank: int, meeting: str, results, function, arguments: tuple) -> None:
    try:
        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE='2')
        torch.set_num_threads(1)
        init_default_scope('mmseg')
        # They meet at a file: a port would have to be free, here and in tests beside this one.
        torch.distributed.init_process_group('gloo', init_method=f'file://{meeting}', rank=rank,
                                             world_size=2)
        results.put((rank, function(rank, *arguments), None))
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    except Exception:
        results.put((rank, None, traceback.format_exc()))


def in_two_processes(function, *arguments, timeout: float = 400) -> list:
    """What ``function(rank, *arguments)`` returns in both processes of a group.

    Arrays are returned as NumPy's, copied: tensors would be handed over in shared memory that
    ends with their process.
    """
    context = mp.get_context('spawn')
    results, found = context.Queue(), {}
    with tempfile.TemporaryDirectory() as folder:
        processes = [context.Process(target=_worker, args=(rank, os.path.join(folder, 'meeting'),
                                                           results, function, arguments))
                     for rank in range(2)]
        for process in processes:
            process.start()
        try:
            end = time.monotonic() + timeout
            while len(found) < 2:
                try:
                    rank, result, error = results.get(timeout=1)
                except queue.Empty:
                    died = [p.exitcode for p in processes if p.exitcode not in (None, 0)]
                    assert not died, f'a process ended with {died[0]}'
                    assert time.monotonic() < end, f'no result in {timeout} s'
                    continue
                assert error is None, error
                found[rank] = result
            for process in processes:
                process.join(timeout=60)
        finally:
            for process in processes:
                process.kill()
    return [found[rank] for rank in range(2)]


def arrays(state: dict) -> dict:
    """A state dict as NumPy arrays of its own."""
    return {key: value.numpy().copy() for key, value in state.items()}
