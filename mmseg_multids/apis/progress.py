"""Saying how far a pass over images is."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds between two lines.
_SAY_EVERY = 5.0


class Progress:
    """Says every few seconds, and at the end, how far a pass over images is.

    Args:
        total: Number of images.
        say: Called with each line; ``None``: nothing is said.
        name: What lines begin with.
    """

    def __init__(self, total: int, say: Callable[[str], None] | None, name: str = '') -> None:
        self._total, self._say = total, say
        self._begin_with = f'{name}: ' if name else ''
        self._begin = self._said = time.monotonic()
        self._told = 0

    def tell(self, done: int) -> None:
        """Take note that so many images are done."""
        now = time.monotonic()
        if self._say is not None and done > self._told and (
                now - self._said >= _SAY_EVERY or done == self._total):
            self._said, self._told = now, done
            self._say(self._begin_with + progress(done, self._total, now - self._begin))


def progress(done: int, total: int, seconds: float) -> str:
    """Say how far a pass over images is, how fast, and how long it will take."""
    rate = done / max(seconds, 1e-9)
    left = round((total - done) / rate)
    hours, minutes = divmod(left // 60, 60)
    time_left = f'{hours}:{minutes:02d}:{left % 60:02d}' if hours else f'{minutes}:{left % 60:02d}'
    return f'{done} of {total} images, {rate:.1f} images/s, {time_left} left'
