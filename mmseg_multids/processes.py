"""What the processes of a run agree on. Every room may use it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from mmengine.dist import broadcast_object_list, is_main_process

T = TypeVar('T')


def on_rank_0(work: Callable[[], T]) -> T:
    """Let the first process do something while the others wait; all get what it returned.

    What it raises, whatever that is, is raised in all; the others would wait for ever otherwise.
    Results and errors are pickled; with NCCL they go over the GPU that each process has set.
    """
    found: list = [None, None]
    if is_main_process():
        try:
            found[0] = work()
        except Exception as error:
            found[1] = error
    broadcast_object_list(found)
    if found[1] is not None:
        raise found[1]
    return found[0]
