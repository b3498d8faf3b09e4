"""Sharing out work among processes, with or without GPUs."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
import torch.multiprocessing as mp

from .progress import Progress


class Work(Protocol):
    """What is done with each of some numbers; it can be sent to another process."""

    def start(self, device: str | None) -> None:
        """Prepare this process. ``None``: everything stays where it is."""

    def __call__(self, index: int) -> None:
        """Do one."""


def share_out(work: Work, indices: Sequence[int], processes: int = 1, gpus: int = 0,
              say: Callable[[str], None] | None = None) -> None:
    """Do some work in this process or in several; number ``i`` takes ``indices[i::N]``.

    Args:
        work: What to do.
        indices: With what.
        processes: Number of processes; with one, it is this one.
        gpus: With several processes: so many GPUs are taken in turn; 0: none.
        say: Called every few seconds with how far it is.

    Raises:
        OSError: As the work in one of the processes.
        ValueError: As the work in one of the processes.
    """
    said = Progress(len(indices), say)
    if not indices:
        return
    if processes == 1:
        work.start(None)
        for done, index in enumerate(indices, 1):
            work(index)
            said.tell(done)
        return
    context = mp.get_context('spawn')
    counts, errors = [context.Value('q', 0) for _ in range(processes)], context.SimpleQueue()
    threads = max(1, torch.get_num_threads() // processes)
    # As bytes: torch would share each tensor of a model by a file, of which there are not enough.
    running = mp.spawn(_one_share, nprocs=processes, join=False, args=(
        pickle.dumps(work), list(indices), processes, gpus, threads, counts, errors, os.getpid()))
    try:
        while not running.join(timeout=1.0):
            said.tell(sum(count.value for count in counts))
    except Exception:
        if not errors.empty():
            kind, arguments = errors.get()
            raise kind(*arguments) from None
        raise
    finally:
        for process in running.processes:
            if process.is_alive():
                process.kill()
    said.tell(len(indices))


def _one_share(number: int, pickled: bytes, indices: Sequence[int], processes: int, gpus: int,
               threads: int, counts: Sequence, errors, parent: int) -> None:
    torch.set_num_threads(threads)
    try:
        work: Work = pickle.loads(pickled)
        work.start(f'cuda:{number % gpus}' if gpus else 'cpu')
        for index in indices[number::processes]:
            if os.getppid() != parent:
                return  # killed: nobody waits for the rest
            work(index)
            counts[number].value += 1
    except (OSError, ValueError) as error:
        errors.put((OSError if isinstance(error, OSError) else ValueError, error.args))
        sys.exit(1)
