"""The bank of prototypes in two processes (gloo)."""

import torch

from ..processes import arrays, in_two_processes
from .test_prototypes import bank, batch

STEPS = 5


def part(rank):
    made = bank(images=12, batch_size=4)
    for step in range(STEPS):
        features, labels = batch(step, 4)
        # One process has three of the four images, and in one step none has a label.
        own = slice(0, 3) if rank == 0 else slice(3, 4)
        labels = torch.full_like(labels, -1) if step == 2 else labels
        made.update((features[own], labels[own]))
    return arrays(made.state_dict())


def test_two_processes_hold_the_bank_of_one():
    found = in_two_processes(part)
    alone = bank(images=12, batch_size=4)
    for step in range(STEPS):
        features, labels = batch(step, 4)
        alone.update((features, torch.full_like(labels, -1) if step == 2 else labels))
    assert int(alone.total_images.sum()) > 0
    for rank in range(2):
        for key, value in alone.state_dict().items():
            assert (found[rank][key] == value.numpy()).all(), (rank, key)
