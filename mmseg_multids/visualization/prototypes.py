"""Pictures of a bank of prototypes."""

from __future__ import annotations

import os

import torch
import torch.nn.functional as F

from ..models import PrototypeBank
from .figures import COLOURS, check_figure_name, save_figure


def draw_prototypes(bank: PrototypeBank, path: str | os.PathLike) -> None:
    """Draw histograms of the prototypes' lengths, and of the cosines between different ones.

    Args:
        bank: The bank.
        path: File to write (.png, .pdf, .svg).

    Raises:
        ValueError: The suffix is no known format.
    """
    from matplotlib.figure import Figure
    path = check_figure_name(path)
    prototypes, valid = bank.prototypes()
    found = prototypes[valid].cpu()
    unit = F.normalize(found, dim=1)
    pairs = (unit @ unit.T)[torch.triu(torch.ones(len(unit), len(unit)), diagonal=1) > 0]
    figure = Figure(figsize=(8, 3), layout='constrained')
    for axes, values, ends, title in zip(
            figure.subplots(1, 2), (found.norm(dim=1), pairs), ((0, 1), (-1, 1)),
            ('length of prototypes', 'cosine between prototypes')):
        axes.hist(values.numpy(), bins=30, range=ends, color=COLOURS[0])
        axes.set_title(title)
        axes.set_xlim(*ends)
        for side in ('top', 'right'):
            axes.spines[side].set_visible(False)
    figure.suptitle(f'{int(valid.sum())} of {len(valid)} classes have a prototype')
    save_figure(figure, path)
