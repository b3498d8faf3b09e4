"""Random numbers and permutations with random access.

Everything here is a pure function of integers: the same on every machine, and any position can be
asked for at once, so that resuming replays nothing and long plans need no memory.
"""

from __future__ import annotations

_MASK = (1 << 64) - 1
_ROUNDS = 4


def mix(*values: int) -> int:
    """Hash integers to 64 well-mixed bits.

    Each value is folded in with the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast
    splittable pseudorandom number generators", 2014).

    Returns:
        An integer in [0, 2**64).
    """
    state = 0
    for value in values:
        z = (state + 0x9E3779B97F4A7C15 + (value & _MASK)) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        state = z ^ (z >> 31)
    return state


def permuted(position: int, size: int, key: int) -> int:
    """Return the element at ``position`` of a pseudo-random permutation of ``range(size)``.

    A Feistel network over the next even number of bits, applied again while the result is not below
    ``size`` (cycle walking: at most 4 applications on average). O(1) in time and memory.

    Args:
        position: In [0, size).
        size: Number of elements.
        key: Selects the permutation.
    """
    if not 0 <= position < size:
        raise ValueError(f'position {position} is outside 0..{size - 1}')
    half = max(1, (max(size - 1, 1).bit_length() + 1) // 2)
    low = (1 << half) - 1
    value = position
    while True:
        left, right = value >> half, value & low
        for i in range(_ROUNDS):
            left, right = right, left ^ (mix(key, i, right) & low)
        value = (left << half) | right
        if value < size:
            return value
