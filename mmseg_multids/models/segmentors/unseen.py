"""Reading images of datasets that a model was not trained on."""

from __future__ import annotations

import logging
import os

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor

from ...datasets.metainfo import check_dataset_name
from ...label_spaces import (
    LabelSpace,
    NodeMapping,
    match_nodes,
    read_alias_file,
    unused_aliases,
)
from ..context import MEAN
from ..layers import dsbn_layers
from ..readout import REDUCTIONS


class UnseenDatasets:
    """What a :class:`MultiDatasetSegmentor` knows of datasets that it was not trained on.

    Two things are open for such an image: which nodes stand for the classes of its dataset
    (:meth:`read_unseen`), and whose statistics dataset-specific batch norms normalise it with
    (:meth:`norm_of_unknown`). ``test_cfg`` answers both, with ``unseen`` and ``norm_fallback``.

    Attributes:
        unseen: Classes of the datasets that can be read, by name.
    """

    def _init_unseen(self, aliases) -> None:
        """Begin without such datasets; ``aliases`` are those of the label space."""
        self.unseen: dict[str, LabelSpace] = {}
        self._unseen_nodes: dict[str, np.ndarray] = {}
        self._aliases = aliases
        self._unseen_options()
        self._check_fallback()

    # ---------------------------------------------------------------- classes

    def read_unseen(self, unseen: LabelSpace) -> np.ndarray:
        """Learn to predict a dataset that the model was not trained on, by the names of classes.

        Samples of that ``dataset`` are then predicted in its classes: of the nodes those are taken
        that have the name of one of its classes, or an alias of it, and the argmax is among them
        (UniSeg, section 4.1). ``test_cfg=dict(unseen=dict(aliases=..., source=...))`` gives the
        aliases (default: those of ``label_space``) and the dataset whose classes alone are taken,
        such as one head of a multi-head model (default: all; classes with several nodes have
        their mean logit, with ``reduce='max'`` the largest). ``mappings`` names files of
        ``tools/search_mapping.py`` by dataset, which take the place of names.

        Args:
            unseen: Its name and classes.

        Returns:
            The class of each node, -1 for none. Shape [N].

        Raises:
            ValueError: The model was trained on a dataset of that name; no class has a node.
        """
        check_dataset_name(unseen.name)
        if unseen.name in self.label_space.datasets:
            raise ValueError(f'the model predicts {unseen.name!r} already')
        aliases, source, mappings, reduce = self._unseen_options()
        if isinstance(aliases, (str, os.PathLike)):
            aliases = read_alias_file(aliases).groups
        if unseen.name in mappings:
            # A node that stands for a class wins or does not: as the mapping was searched.
            reduce = 'max'
            class_of_node = NodeMapping.from_json(mappings[unseen.name]).of(
                self.label_space, unseen)
        else:
            class_of_node = match_nodes(self.label_space, unseen, aliases, source)
        if (self.test_cfg.get('unseen') or {}).get('aliases') is not None:
            idle = unused_aliases(aliases, self.label_space, unseen)
            if idle:
                print_log(f'aliases of {unseen.name} without effect: {"; ".join(idle)}. A group '
                          'needs a class of the model and one of the dataset', logger='current',
                          level=logging.WARNING)
        self.decode_head.add_readout(unseen.name, class_of_node, unseen.num_classes, reduce)
        self.unseen[unseen.name] = unseen
        self._unseen_nodes[unseen.name] = class_of_node
        return class_of_node

    def forget_unseen(self) -> None:
        """Forget what :meth:`read_unseen` found; the nodes have changed."""
        for name in self.unseen:
            self.decode_head.remove_readout(name)
        self.unseen.clear()
        self._unseen_nodes.clear()

    def space_of(self, dataset: str) -> LabelSpace:
        """Return the classes of a dataset, trained on or :meth:`read_unseen`."""
        return self.unseen.get(dataset) or self.label_space.space(dataset)

    def class_of_node(self, dataset: str) -> np.ndarray:
        """Return a dataset's class of each node, -1 for none. Shape [N]."""
        if dataset in self._unseen_nodes:
            return self._unseen_nodes[dataset]
        return self.label_space.class_of_node(dataset)

    def _unseen_options(self) -> tuple:
        """Return aliases, source dataset, mappings and reduction that ``test_cfg.unseen`` gives."""
        options = {'aliases': None, 'source': None, 'mappings': {}, 'reduce': 'mean',
                   **((self.test_cfg or {}).get('unseen') or {})}
        unknown = sorted(set(options) - {'aliases', 'source', 'mappings', 'reduce'})
        if unknown:
            raise ValueError(f'test_cfg.unseen has no key {unknown[0]!r}; allowed: '
                             'aliases, source, mappings, reduce')
        if options['reduce'] not in REDUCTIONS:
            raise ValueError(f'test_cfg.unseen.reduce={options["reduce"]!r}: allowed are '
                             f'{", ".join(REDUCTIONS)}')
        if options['source'] not in (None, *self.label_space.datasets):
            raise ValueError(f'test_cfg.unseen.source={options["source"]!r}: the model has '
                             f'{", ".join(self.label_space.datasets)}')
        aliases = self._aliases if options['aliases'] is None else options['aliases']
        return aliases, options['source'], options['mappings'] or {}, options['reduce']

    # ------------------------------------------------------- batch norm statistics

    def norm_of_unknown(self, inputs: Tensor) -> list[str] | None:
        """Whose statistics normalise each image of no known dataset; None for the layers' error."""
        choice = self._check_fallback()
        if choice is None or not dsbn_layers(self):
            return None
        return self.nearest_datasets(inputs) if choice == 'nearest' else [choice] * len(inputs)

    def _check_fallback(self) -> str | None:
        choice = (self.test_cfg or {}).get('norm_fallback')
        known = ('nearest', MEAN, *self.label_space.datasets)
        if choice not in (None, *known):
            raise ValueError(f'test_cfg.norm_fallback={choice!r}: allowed are {", ".join(known)}')
        return choice

    @torch.no_grad()
    def nearest_datasets(self, inputs: Tensor) -> list[str]:
        """Return the dataset whose running statistics are nearest to each image's own.

        The images pass through backbone and neck once per dataset. In each dataset-specific batch
        norm the distance between an image's moments and the dataset's is taken (see
        ``functional.batch_norm.statistics_distance``); the smallest mean over the layers wins.

        Args:
            inputs: Preprocessed images. Shape [B, 3, H, W].

        Returns:
            B names of datasets.

        Raises:
            ValueError: The backbone has no dataset-specific batch norm with running statistics.
        """
        was_training = self.training
        self.eval()
        distances = []
        try:
            for name in self.label_space.datasets:
                self.context.distances = []
                with self.context.batch([name] * len(inputs)):
                    self.extract_feat(inputs)
                if not self.context.distances:
                    raise ValueError("norm_fallback='nearest' needs dataset-specific batch norms "
                                     'with running statistics in the backbone')
                distances.append(torch.stack(self.context.distances).mean(dim=0))
        finally:
            self.context.distances = None
            self.train(was_training)
        nearest = torch.stack(distances).argmin(dim=0)  # [B]
        return [self.label_space.datasets[i] for i in nearest.tolist()]
