"""Cross entropies over a dataset's classes or over the nodes (UniSeg)."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from mmengine.logging import print_log
from torch import Tensor

from ...functional import (
    SupervisionTable,
    labels_to_nodes,
    partial_label_bce,
    pixel_cross_entropy,
    supervision_table,
)
from ...label_spaces import ClassRelations, UnifiedLabelSpace
from ...registry import MODELS
from .pixel_loss import PixelLoss

_NODE_IGNORE_INDEX = -1


@MODELS.register_module()
class PixelCrossEntropyLoss(PixelLoss):
    """Softmax cross entropy, in a fraction of the memory and time of the usual one.

    Equals MMSegmentation's ``CrossEntropyLoss(avg_non_ignore=True)`` after enlarging the logits.

    Args:
        space: ``'dataset'``: over the dataset's own classes (multi-head; CDCL, AutoUniSeg).
            ``'unified'``: over all nodes, where the node of a pixel's class is the target and every
            other node, of whatever dataset, is pushed down (the union baseline: UniSeg, Eq. 1;
            MDP's "single head"). It needs exactly one node per class.
        **kwargs: ``loss_weight``, ``loss_name`` (default ``'loss_ce'``) and ``class_weight`` of
            :class:`PixelLoss`.

    Raises:
        ValueError: An unknown ``space``; a class with several nodes under ``'unified'``.

    Example:
        >>> decode_head = dict(type='UniSegHead', head=dict(type='PSPHead', ...),
        ...                    loss_decode=dict(type='PixelCrossEntropyLoss', space='unified'))
    """

    def __init__(self, space: str = 'dataset', **kwargs) -> None:
        super().__init__(**kwargs)
        if space not in ('dataset', 'unified'):
            raise ValueError(f"space={space!r}: allowed are 'dataset' and 'unified'")
        self.space = space

    def bind(self, label_space: UnifiedLabelSpace) -> None:
        """Keep each class's node."""
        super().bind(label_space)
        if self.space == 'dataset':
            return
        self.register_buffer('_nodes', torch.arange(label_space.num_nodes), persistent=False)
        for dataset in label_space.datasets:
            # Refuses, naming the classes, where a class has several nodes.
            nodes = torch.tensor(label_space.node_of_class(dataset))
            self.register_buffer(f'_node_of_class_{dataset}', nodes, persistent=False)

    def uses_every_row(self) -> bool:
        """Every node takes part in a softmax over all of them."""
        return self.space == 'unified'

    def rows(self, dataset: str) -> Tensor | None:
        """All nodes, or the dataset's classes."""
        return self._nodes if self.space == 'unified' else None

    def compute(self, logits: Tensor, labels: Tensor, dataset: str, ignore_index: int = 255,
                class_weight: Tensor | None = None, **options) -> Tensor:
        """Return the mean over labelled pixels, or what ``reduction`` says."""
        if self.space == 'dataset':
            return pixel_cross_entropy(logits, labels, ignore_index, class_weight, **options)
        nodes = getattr(self, f'_node_of_class_{dataset}')
        targets = labels_to_nodes(labels, nodes, ignore_index, _NODE_IGNORE_INDEX)
        if class_weight is not None:
            class_weight = class_weight.new_ones(len(self._nodes)).scatter_(0, nodes, class_weight)
        return pixel_cross_entropy(logits, targets, _NODE_IGNORE_INDEX, class_weight, **options)


@MODELS.register_module()
class NullBCELoss(PixelLoss):
    """Sigmoid cross entropy on the nodes of the image's own dataset (UniSeg, Eq. 4).

    Classes of other datasets are told nothing (the "null" class), so a pixel's gradient never
    conflicts with what another dataset says of it. It needs exactly one node per class.

    Args:
        **kwargs: ``loss_weight``, ``loss_name`` (default ``'loss_bce'``) and ``class_weight`` of
            :class:`PixelLoss`.

    Raises:
        ValueError: A class with several nodes; the classes are named.

    Example:
        >>> model = dict(label_space=dict(type='by_name'), decode_head=dict(
        ...     loss_decode=dict(_delete_=True, type='NullBCELoss')))
    """

    activation = 'sigmoid'

    def __init__(self, loss_name: str = 'loss_bce', **kwargs) -> None:
        super().__init__(loss_name=loss_name, **kwargs)
        self._tables: dict[str, SupervisionTable] = {}

    def bind(self, label_space: UnifiedLabelSpace) -> None:
        """Prepare each dataset's table: 1 for the class itself, 0 for the others of the dataset."""
        super().bind(label_space)
        for dataset in label_space.datasets:
            label_space.node_of_class(dataset)  # refuses several nodes of a class
            self._tables[dataset] = supervision_table(
                torch.eye(label_space.space(dataset).num_classes, dtype=torch.int8))

    def compute(self, logits: Tensor, labels: Tensor, dataset: str, **options) -> Tensor:
        """Return the mean over labelled pixels, or what ``reduction`` says."""
        table = self._tables[dataset] = self._tables[dataset].to(logits.device)
        return partial_label_bce(logits, labels, table, **options)


@MODELS.register_module()
class ClassRelationalBCELoss(PixelLoss):
    """Sigmoid cross entropy with the second labels that class relations imply (UniSeg, Eq. 8).

    Until :meth:`set_relations` gives it relations, and for datasets without any, it is
    :class:`NullBCELoss`: that is the first stage of a run that gathers them itself. Relations are
    part of the checkpoint, so a resumed run goes on with the same ones.

    Args:
        relations: A file that ``tools/class_relations.py`` made. Default: none yet.
        tau: Another threshold than that of the relations.
        **kwargs: ``loss_weight``, ``loss_name`` (default ``'loss_bce'``) and ``class_weight`` of
            :class:`PixelLoss`.

    Raises:
        ValueError: A class with several nodes; relations for another label space (hashes and
            differences are named).
        FileNotFoundError: There is no such file; when training begins.

    Example:
        >>> model = dict(label_space=dict(type='by_name'), decode_head=dict(loss_decode=dict(
        ...     _delete_=True, type='ClassRelationalBCELoss', relations='relations.json')))
    """

    activation = 'sigmoid'

    def __init__(self, relations: str | None = None, tau: float | None = None,
                 loss_name: str = 'loss_bce', **kwargs) -> None:
        super().__init__(loss_name=loss_name, **kwargs)
        self.relations, self.tau = relations, tau
        self._lacks_file = False
        #: Whether relations are still to come; without them training is Null BCE, with a warning.
        self.awaits_relations = False
        self._warned = False
        self._prepared: dict[str, tuple[tuple, Tensor, SupervisionTable]] = {}

    def bind(self, label_space: UnifiedLabelSpace) -> None:
        """Prepare the tables: those of :class:`NullBCELoss`, or the file's."""
        super().bind(label_space)
        self.label_space = label_space
        for dataset in label_space.datasets:
            own = torch.tensor(label_space.node_of_class(dataset))
            table = torch.full((len(own), label_space.num_nodes), -1, dtype=torch.int8)
            table[:, own] = torch.eye(len(own), dtype=torch.int8)
            self.register_buffer(f'table_{dataset}', table)
        # A trained model has the tables in its checkpoint and needs no file to predict.
        self._lacks_file = self.relations is not None and not Path(self.relations).is_file()
        if self.relations is not None and not self._lacks_file:
            self.set_relations(ClassRelations.from_json(self.relations))
            count = sum(self.second_labels().values())
            print_log(f'class relations of {self.relations}: {count} second labels' + (
                '' if count else '; this is Null BCE. Is the threshold too high?'),
                logger='current', level=20 if count else 30)

    def set_relations(self, relations: ClassRelations) -> None:
        """Take over the tables of Eq. (6).

        Raises:
            ValueError: They were made for another label space.
        """
        relations.check(self.label_space)
        if self.tau is not None:
            relations = copy.copy(relations)
            relations.tau = float(self.tau)
        for dataset in self.label_space.datasets:
            table = getattr(self, f'table_{dataset}')
            table.copy_(torch.from_numpy(relations.table(dataset)))

    def has_relations(self) -> bool:
        """Whether any class has a second label."""
        return any(self.second_labels().values())

    def second_labels(self) -> dict[str, int]:
        """Return the number of second labels of each dataset."""
        tables = {d: getattr(self, f'table_{d}') for d in self.label_space.datasets}
        return {d: int((table == 1).sum()) - len(table) for d, table in tables.items()}

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        """Keep the tables of a file that the config names, whatever the checkpoint has."""
        if self.relations is not None and not self._lacks_file:
            for dataset in self.label_space.datasets:
                key, own = f'{prefix}table_{dataset}', getattr(self, f'table_{dataset}')
                stored = state_dict.get(key)
                if stored is not None and bool((stored == 1).sum() > len(stored)) \
                        and not torch.equal(stored.cpu(), own.cpu()):
                    print_log(f'the class relations of {dataset} in the checkpoint are not those '
                              f'of {self.relations}, which are used', logger='current', level=30)
                if stored is not None:
                    state_dict[key] = own.clone()
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _prepare(self, dataset: str) -> tuple[Tensor, SupervisionTable]:
        """Return the nodes that are needed, the dataset's own first, and the table over them."""
        table = getattr(self, f'table_{dataset}')
        # Loading a checkpoint and set_relations change the buffer in place.
        version = (table._version, table.data_ptr())
        if dataset not in self._prepared or self._prepared[dataset][0] != version:
            own = torch.tensor(self.label_space.node_of_class(dataset))
            said = (table >= 0).any(dim=0).cpu()
            said[own] = False
            rows = torch.cat([own, torch.nonzero(said).flatten()])
            supervision = supervision_table(table.cpu()[:, rows]).to(table.device)
            self._prepared[dataset] = (version, rows.to(table.device), supervision)
        return self._prepared[dataset][1:]

    def rows(self, dataset: str) -> Tensor | None:
        """The dataset's own nodes in the order of its classes, then the related ones."""
        return self._prepare(dataset)[0]

    def compute(self, logits: Tensor, labels: Tensor, dataset: str, **options) -> Tensor:
        """Return the mean over labelled pixels, or what ``reduction`` says."""
        if self._lacks_file:
            raise FileNotFoundError(
                f'file of class relations {self.relations} does not exist; '
                'tools/class_relations.py CONFIG CHECKPOINT makes one (to go on with those of a '
                'checkpoint: relations=None)')
        if self.relations is None and not self.awaits_relations and not self._warned:
            self._warned = True
            if not self.has_relations():
                print_log('ClassRelationalBCELoss has no class relations and is Null BCE: give it '
                          'a file (relations=...), or add a ClassRelationsHook to custom_hooks',
                          logger='current', level=30)
        return partial_label_bce(logits, labels, self._prepare(dataset)[1], **options)
