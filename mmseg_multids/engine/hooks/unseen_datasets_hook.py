"""Datasets that are tested on but were not trained on."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.logging import print_log
from prettytable import PrettyTable

from ...label_spaces import LabelSpace
from ...models import UNIFIED, MultiDatasetSegmentor
from ...registry import HOOKS


@HOOKS.register_module()
class UnseenDatasetsHook(Hook):
    """Before validation and test, tells the model of the datasets that it was not trained on.

    They are then read by the names of their classes, see
    :meth:`MultiDatasetSegmentor.read_unseen`; which classes took part is printed. Nothing is done
    where ``test_cfg.label_space`` has all predictions in the classes of a dataset.

    Example:
        >>> default_hooks = dict(unseen=dict(type='UnseenDatasetsHook'))
    """

    def before_val(self, runner) -> None:
        """Look at the datasets of the validation."""
        _read(runner, runner.val_dataloader)

    def before_test(self, runner) -> None:
        """Look at the datasets of the test."""
        _read(runner, runner.test_dataloader)


def _read(runner, loader) -> None:
    for model in runner.model.modules():
        if not isinstance(model, MultiDatasetSegmentor):
            continue
        if (model.test_cfg or {}).get('label_space') not in (None, UNIFIED):
            continue
        for name, meta in (loader.dataset.metainfo.get('datasets') or {}).items():
            if name in model.label_space.datasets or name in model.unseen:
                continue
            space = LabelSpace(name, meta['classes'])
            class_of_node = model.read_unseen(space)
            print_log(_describe(model, space, class_of_node), logger='current')


def _describe(model: MultiDatasetSegmentor, space: LabelSpace, class_of_node) -> str:
    table = PrettyTable(['class', 'predicted as'])
    table.align = 'l'
    for i, name in enumerate(space.classes):
        nodes = [model.label_space.nodes[k] for k in (class_of_node == i).nonzero()[0]]
        table.add_row([name, ', '.join(nodes) or 'not predicted'])
    taken = len(set(class_of_node[class_of_node >= 0].tolist()))
    return (f'{space.name} was not trained on: {taken} of {space.num_classes} classes have a node '
            f'and take part\n{table}')
