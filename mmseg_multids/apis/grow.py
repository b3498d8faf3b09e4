"""Adding datasets to a trained model, and removing them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import Tensor

from ..datasets import MultiDataset, MultiDatasetSampler
from ..datasets.metainfo import whole_entry
from ..files import check_new, replacing
from ..label_spaces import UnifiedLabelSpace, inherited_nodes, namesakes, read_alias_file
from ..models import MultiDatasetSegmentor
from ..models.context import MEAN
from ..models.layers import dsbn_layers
from ..models.segmentors.checkpoint import SPACE_KEY
from ..registry import DATASETS
from .trained import (
    build_segmentor,
    heads_of,
    load_trained,
    logits_of_noise,
    name_of,
    read_config,
)

NEAREST = 'nearest'
#: Where a class has its row from, if not from datasets.
KEPT, ALL_ROWS = 'a node that was there', 'the mean of all rows'


class Added(NamedTuple):
    """What a new dataset begins with."""

    #: The dataset that it takes its batch norms from, or ``'mean'``.
    source: str
    #: How far its images are from each dataset's statistics; empty if that was not asked for.
    distances: dict[str, float]
    #: Where each class has its row from: datasets, ``KEPT`` or ``ALL_ROWS``.
    classes: dict[str, str]


class Grown(NamedTuple):
    """What was written."""

    checkpoint: Path
    kept: list[str]
    added: dict[str, Added]
    removed: list[str]
    #: Whether the model has batch norms per dataset; without them only classes are new.
    has_dataset_norms: bool


def grow(config: str | Path | Config, checkpoint: str | Path, out: str | Path,
         init: str | None = None, batches: int = 4, force: bool = False,
         trained_config: str | Path | Config | None = None) -> Grown:
    """Write a checkpoint for a mix that has more datasets, or fewer, than the model was trained on.

    Datasets that stay predict what they did, bit for bit; this is checked before the file is
    written. A new dataset takes the rows of one dataset in every dataset-specific batch norm, or
    their mean. A new class takes the row of the class of the same name: of that dataset, else the
    mean over all others that have one; a class of no known name takes the mean of all rows.
    Optimiser state and averaged weights are left out: training starts from the file
    (``load_from``).

    Args:
        config: Config of the new mix, or its file.
        checkpoint: Checkpoint of the old one.
        out: File to write.
        init: Whose rows a new dataset takes: ``'nearest'``, the dataset whose running statistics
            are nearest to those of the new one's training images
            (``functional.batch_norm.statistics_distance``, mean over layers and images);
            ``'mean'``; or a dataset's name. Default: ``'nearest'`` where statistics are kept per
            dataset, else ``'mean'``.
        batches: Training batches of each new dataset to look at for ``'nearest'``.
        force: Replace an existing file.
        trained_config: Config that the checkpoint was trained with, or its file. Default: the
            config in the checkpoint.

    Raises:
        FileExistsError: ``out`` exists, and ``force`` is not set.
        FileNotFoundError: A file is missing, or the new dataset's images.
        TypeError: A model is no :class:`MultiDatasetSegmentor`.
        ValueError: Nothing to add or remove; no dataset stays, or one that stays has other classes
            or nodes; unknown ``init``; the weights do not fit the new config's network.
        RuntimeError: A dataset that stays would predict something else.
    """
    out = Path(out)
    check_new([out], force)
    if batches < 1:
        raise ValueError(f'batches={batches}: at least 1 is needed')
    cfg = read_config(config)
    trained = load_trained(checkpoint, trained_config, option='--trained-config').model
    model = build_segmentor(cfg)
    plan = _Plan(trained, model, name_of(cfg), _aliases(cfg))
    init = _checked_init(init, plan, model)
    sources = {dataset: dataset for dataset in plan.kept}
    distances: dict[str, dict[str, float]] = {dataset: {} for dataset in plan.added}
    for dataset in plan.added:
        sources[dataset] = init
    if init == NEAREST and plan.added:
        sources.update(dict.fromkeys(plan.added, MEAN))
        for dataset in plan.added:
            inputs = list(_training_batches(cfg, model, dataset, batches))
            distances[dataset] = plan.distances(dataset, sources, inputs)
            sources[dataset] = min(distances[dataset], key=distances[dataset].get)
    origins = plan.load(sources)
    _check_predictions(trained, model, plan.kept, name_of(cfg))
    meta = {'cfg': cfg.pretty_text, 'dataset_meta': model.dataset_meta}
    with replacing(out) as file:
        torch.save({'meta': meta, 'state_dict': model.state_dict()}, file)
    added = {d: Added(sources[d], distances[d], plan.classes(d, origins)) for d in plan.added}
    return Grown(out, plan.kept, added, plan.removed, bool(dsbn_layers(model)))


class _Plan:
    """What stays, comes and goes, and how the new model is filled from the old one."""

    def __init__(self, trained: MultiDatasetSegmentor, model: MultiDatasetSegmentor, where: str,
                 aliases: Sequence | None) -> None:
        self.model, self.where, self.aliases = model, where, aliases
        self.old, self.new = trained.label_space, model.label_space
        self.stored = trained.state_dict()
        self.kept = [d for d in self.new.datasets if d in self.old.datasets]
        self.added = [d for d in self.new.datasets if d not in self.old.datasets]
        self.removed = [d for d in self.old.datasets if d not in self.new.datasets]
        known = ', '.join(self.old.datasets)
        if not self.kept:
            raise ValueError(f'{where} has none of the datasets of the checkpoint ({known}); to '
                             'start from its weights, set model.finetune_from')
        self.nodes = inherited_nodes(self.old, self.new)  # first: it lists changed classes
        if not self.added and not self.removed:
            raise ValueError(f'nothing to add or remove: {where} and the checkpoint have the same '
                             f'datasets ({known})')

    def load(self, sources: Mapping[str, str]) -> list[list[tuple[str, int]] | None]:
        """Fill the new model; return for each node the classes that it has its row from.

        ``None`` stands for a node that was there, an empty list for the mean of all rows.

        Raises:
            ValueError: The weights do not fit.
        """
        origins = [None if self.nodes[node] >= 0 else
                   namesakes(self.old, self.new, node, self._source_of(node, sources), self.aliases)
                   for node in range(self.new.num_nodes)]
        state = {key: value for key, value in self.stored.items() if '.loss_decode.' not in key}
        # Tables of losses, such as class relations, are of the whole label space, not of a dataset.
        state.update((key, value) for key, value in self.model.state_dict().items()
                     if key == SPACE_KEY or '.loss_decode.' in key)
        for name, layer in dsbn_layers(self.model).items():
            own = {key[len(name) + 1:]: value for key, value in self.stored.items()
                   if key.startswith(f'{name}.')}
            if 'dataset_names' not in own:
                raise ValueError(f'{self.where} makes the batch norm {name} dataset-specific, in '
                                 'the checkpoint it is not; use the network that was trained')
            if {key: value.dim() for key, value in layer.state_dict().items()} \
                    != {key: value.dim() for key, value in own.items()}:
                raise ValueError(f'the batch norm {name} shares other things than in the '
                                 f'checkpoint; use its dataset_norm in {self.where}')
            state.update({f'{name}.{key}': value
                          for key, value in layer.rows_from(own, sources).items()})
        for name, head in heads_of(self.model).items():
            for key in head.dataset_rows(()):
                full = f'{name}.{key}'
                if full in self.stored:  # else load_state_dict says what is missing
                    state[full] = self._rows(self.stored[full], origins)
        try:
            self.model.load_state_dict(state)
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"the checkpoint's weights do not fit the network of {self.where}, "
                             f'which may differ in its datasets only: {error}') from error
        return origins

    def _source_of(self, node: int, sources: Mapping[str, str]) -> str | None:
        return next((sources[d] for d in self.added if self.new.class_of_node(d)[node] >= 0), None)

    def _rows(self, stored: Tensor, origins: Sequence) -> Tensor:
        """From rows [N, ...] of the old nodes to those of the new, [M, ...]."""
        rows = []
        for node, origin in enumerate(origins):
            if origin is None:
                rows.append(stored[self.nodes[node]])
            elif not origin:
                rows.append(stored.mean(dim=0))
            else:  # A class is read as the sum of its nodes.
                of_classes = [stored[torch.from_numpy(self.old.nodes_of_class(*c))].sum(dim=0)
                              for c in origin]
                rows.append(torch.stack(of_classes).mean(dim=0) / self._share(node))
        return torch.stack(rows)

    def _share(self, node: int) -> int:
        """Among how many nodes the node's class is divided."""
        return max(int((self.new.class_of_node(d) == self.new.class_of_node(d)[node]).sum())
                   for d in self.added if self.new.class_of_node(d)[node] >= 0)

    @torch.no_grad()
    def distances(self, dataset: str, sources: Mapping[str, str],
                  inputs: Sequence[Tensor]) -> dict[str, float]:
        """Return how far images [B, 3, H, W] are from the statistics of each old dataset.

        Each lends its rows to the new dataset in turn, those that are to be removed as well.
        """
        context, found = self.model.context, {}
        for candidate in self.old.datasets:
            self.load({**sources, dataset: candidate})
            per_image = []
            for images in inputs:
                context.distances = []
                try:
                    with context.batch([dataset] * len(images)):
                        self.model.extract_feat(images)
                    per_image.append(torch.stack(context.distances).mean(dim=0))  # [B]
                finally:
                    context.distances = None
            found[candidate] = float(torch.cat(per_image).mean())
        return found

    def classes(self, dataset: str, origins: Sequence) -> dict[str, str]:
        """Say where each class of a new dataset has its row from."""
        said = {}
        for class_id, name in enumerate(self.new.space(dataset).classes):
            places: list[str] = []
            for node in self.new.nodes_of_class(dataset, class_id):
                origin = origins[node]
                sources = ALL_ROWS if not origin else ', '.join(d for d, _ in origin)
                places.append(KEPT if origin is None else sources if len(origin) < 2
                              else f'the mean of {sources}')
            said[name] = ', '.join(dict.fromkeys(places))
        return said


def _aliases(cfg: Config) -> Sequence | None:
    aliases = (cfg.model.get('label_space') or {}).get('aliases')
    if isinstance(aliases, (str, os.PathLike)):  # all of it: the old model may have what it names
        return read_alias_file(aliases).groups
    return aliases


def _checked_init(init: str | None, plan: _Plan, model: MultiDatasetSegmentor) -> str:
    comparable = any(layer.tells_datasets_apart for name, layer in dsbn_layers(model).items()
                     if name.startswith(('backbone.', 'neck.')))
    if init is None:
        return NEAREST if comparable else MEAN
    known = (NEAREST, MEAN, *plan.old.datasets)
    if init not in known:
        raise ValueError(f'init={init!r}: allowed are {", ".join(known)}')
    if init == NEAREST and not comparable:
        raise ValueError(f'init={NEAREST!r} compares statistics of batch norms, and backbone and '
                         f'neck have none per dataset; choose {MEAN!r} or a dataset: '
                         f'{", ".join(plan.old.datasets)}')
    return init


def _training_batches(cfg: Config, model: MultiDatasetSegmentor, dataset: str,
                      batches: int) -> Iterator[Tensor]:
    """Yield preprocessed training batches of one dataset, [B, 3, H, W], always the same."""
    loader = cfg.get('train_dataloader') or {}
    entries = [whole_entry(entry) for entry in (loader.get('dataset') or {}).get('datasets', ())]
    own = [entry for entry in entries if entry.get('name') == dataset]
    if not own:
        raise ValueError(f'init={NEAREST!r} looks at training images of {dataset}, which '
                         f'{name_of(cfg)} does not name in train_dataloader.dataset.datasets; add '
                         f'it there, or choose {MEAN!r} or a dataset')
    data: MultiDataset = DATASETS.build({**loader.dataset, 'datasets': own})
    size = int(loader.get('batch_size', 1))
    sampler = MultiDatasetSampler(data, seed=0, plan={'type': 'concat'}, batch_size=size,
                                  crop_size=(loader.get('sampler') or {}).get('crop_size'))
    requests = islice(sampler, batches * size)
    for _ in range(batches):
        samples = [data[request] for request in islice(requests, size)]
        yield model.data_preprocessor(pseudo_collate(samples), True)['inputs']


def _check_predictions(trained: MultiDatasetSegmentor, model: MultiDatasetSegmentor,
                       datasets: Sequence[str], where: str) -> None:
    for dataset in datasets:
        before, after = (logits_of_noise(m, dataset=dataset, target=dataset)
                         for m in (trained, model))
        # Sums over several nodes may be taken in another order.
        tolerance = 1e-5 if _sums(trained.label_space, dataset) else 0.0
        if before.shape != after.shape \
                or not torch.allclose(before, after, rtol=tolerance, atol=tolerance):
            raise RuntimeError(f'{dataset} would not predict what it did: does the network of '
                               f'{where} differ in more than its datasets? Nothing was written')


def _sums(label_space: UnifiedLabelSpace, dataset: str) -> bool:
    return bool(np.any(label_space.mapping(dataset).sum(axis=0) > 1))
