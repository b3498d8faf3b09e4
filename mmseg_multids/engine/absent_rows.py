"""Keeping the parameters of absent datasets where they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class AbsentRows:
    """Keeps rows of datasets that a step did not see out of the optimiser's step.

    Rows of parameters that belong to datasets (of :class:`DSBN`, of classifiers) get a gradient of
    zero from a batch without them, and would still move by momentum and weight decay. Around each
    step the rows, and their part of the optimiser's state, are put aside and put back. What an
    optimiser counts per parameter (Adam's ``step``) goes on counting.

    Modules take part by a method ``dataset_rows(datasets)`` that returns which rows of which of
    their parameters the datasets use, ``{'weight': bool [rows]}``.

    Args:
        model: The model.
        optimizer: Its optimiser; hooks are added to it.
        datasets: Names of all datasets.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer,
                 datasets: Sequence[str]) -> None:
        self._present: set[str] = set()
        self._datasets = tuple(datasets)
        self._optimizer = optimizer
        self._modules = [m for m in model.modules() if hasattr(m, 'dataset_rows')]
        self._saved: list[tuple[nn.Parameter, Tensor, Tensor, dict[str, Tensor]]] = []
        self._handles = [optimizer.register_step_pre_hook(self._put_aside),
                         optimizer.register_step_post_hook(self._put_back)]

    def see(self, datasets: Sequence[str]) -> None:
        """Say which datasets the gradients of the next step come from, in addition to before."""
        self._present.update(datasets)

    def begin_step(self) -> None:
        """Forget what was seen: gradients begin anew."""
        self._present.clear()

    def remove(self) -> None:
        """Take the hooks off the optimiser."""
        for handle in self._handles:
            handle.remove()

    @torch.no_grad()
    def _put_aside(self, *_) -> None:
        self._saved = []
        present = [name for name in self._datasets if name in self._present]
        if not self._present or len(present) == len(self._datasets):
            return
        for module in self._modules:
            for name, used in module.dataset_rows(present).items():
                parameter = module.get_parameter(name)
                if parameter.grad is None or bool(used.all()):
                    continue
                rows = (~used).nonzero().flatten().to(parameter.device)
                state = {key: value[rows] for key, value in self._row_state(parameter)}
                self._saved.append((parameter, rows, parameter[rows], state))

    @torch.no_grad()
    def _put_back(self, *_) -> None:
        for parameter, rows, values, state in self._saved:
            parameter[rows] = values
            for key, value in self._row_state(parameter):
                # A state that this step made begins with zeros, as if the rows had had no gradient.
                value[rows] = state.get(key, 0)
        self._saved = []

    def _row_state(self, parameter: nn.Parameter) -> list[tuple[str, Tensor]]:
        state = self._optimizer.state.get(parameter, {})
        return [(key, value) for key, value in state.items()
                if isinstance(value, Tensor) and value.shape == parameter.shape]
