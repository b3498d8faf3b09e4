"""The classifier whose label space is learned (AutoUniSeg)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Union

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.dist import broadcast
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...functional import (
    ORTHOGONALITY,
    class_weights_of_nodes,
    link_weight,
    orthogonality_loss,
)
from ...label_spaces import UnifiedLabelSpace
from ...label_spaces.pruning import kept_links
from ...label_spaces.text_features import class_features
from ...label_spaces.transport import solve_mapping
from ...label_spaces.unify import node_names
from ...processes import on_rank_0
from ...registry import MODELS
from ..classifiers import LinearNodeClassifier
from ..context import UNIFIED
from .graph import LabelGraph


class MapperPhase(IntEnum):
    """What a :class:`GNNLabelMapper` is doing (AutoUniSeg, Appendix A)."""

    #: A classifier for each dataset is trained.
    HEADS = 0
    #: The graph network is trained; links are its adjacency.
    GRAPH = 1
    #: The network is trained; links are solved, nodes are those of the graph network.
    SEGMENTATION = 2
    #: The nodes are trained, too; the graph network has no part any more.
    FINAL = 3


#: Bytes that a node's given name may have; a buffer of fixed size is part of every checkpoint.
_NAME_BYTES = 96


@MODELS.register_module()
class GNNLabelMapper(BaseModule):
    """Classifier of :class:`UniSegHead` that learns nodes and what they stand for (AutoUniSeg).

    It goes through phases (:class:`MapperPhase`), which :class:`TrainingPhases` leads it through:
    first a row for each class of each dataset, then nodes whose features, and whose links with
    classes, come from a graph network (:class:`LabelGraph`), then nodes whose links are solved
    (Appendix C). Every state has the same shapes, so one run's checkpoints fit each other: there is
    room for as many nodes as there are classes, and ``active`` says which there are.

    The segmentor's own label space must be ``dict(type='disjoint')``; the learned one takes its
    place from the first merging on.

    Args:
        num_nodes: Number of classes C of all datasets; given by the head.
        channels: Channels D of the pixel embedding; given by the head.
        text: Arguments of :func:`mmseg_multids.label_spaces.text_features.class_features`: the
            encoder, descriptions or a file of features. Default: the shipped descriptions with the
            hashing encoder.
        hidden: Channels between the layers of the graph network.
        layers: Number of its layers.
        link_probability: First link between a node and the classes that it was merged of.
        orthogonality: ``'p_log_p'``, Eq. (7) as it is printed, or ``'log_p'``; see
            :func:`mmseg_multids.functional.orthogonality_loss`.
        ce_weight: lambda_1 of Eq. (8), in graph phases.
        orthogonality_weight: lambda_2 of Eq. (8).
        transport: Options of :func:`mmseg_multids.label_spaces.transport.solve_mapping`:
            ``momentum``, ``regularisation``, ``relaxation``, ``max_iterations``.
        init_cfg: MMEngine's initialisation.

    Shapes:
        - input: [B, D, H, W]; output: [B, R, H, W] for R rows of the present label space

    Raises:
        ValueError: An unknown ``orthogonality``; a label space that shares nodes among datasets.
        ImportError: torch-geometric is not installed.

    Example:
        >>> model = dict(label_space=dict(type='disjoint'), decode_head=dict(
        ...     classifier=dict(_delete_=True, type='GNNLabelMapper')))
        >>> custom_hooks = [dict(type='TrainingPhases', phases=[...])]
    """

    def __init__(self, num_nodes: int, channels: int, text: Mapping | None = None,
                 hidden: int = 256, layers: int = 3, link_probability: float = 0.9,
                 orthogonality: str = 'log_p', ce_weight: float = 1.0,
                 orthogonality_weight: float = 0.01, transport: Mapping | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if orthogonality not in ORTHOGONALITY:
            raise ValueError(f'orthogonality={orthogonality!r}: allowed are '
                             f'{", ".join(ORTHOGONALITY)}')
        self.channels, self.hidden, self.num_layers = channels, hidden, layers
        self.text = dict(text or {})
        if not 0 < link_probability < 1:
            raise ValueError(f'link_probability={link_probability}: a probability between 0 and 1 '
                             'is needed')
        self.link_probability = link_probability
        self.orthogonality = orthogonality
        self._own_weights = ce_weight, orthogonality_weight
        self.ce_weight, self.orthogonality_weight = self._own_weights
        self.transport = dict(transport or {})
        self.heads = LinearNodeClassifier(num_nodes, channels)
        self.node_embedding = nn.Parameter(torch.zeros(num_nodes, channels))
        self.register_buffer('active', torch.zeros(num_nodes, dtype=torch.bool))
        self.register_buffer('phase', torch.zeros((), dtype=torch.int64))
        #: How many phases of the run have begun, and whether links were pruned.
        self.register_buffer('begun', torch.zeros((), dtype=torch.int64))
        self.register_buffer('pruned', torch.zeros((), dtype=torch.bool))
        #: Says which phases the run has, so that another run's are not gone on with.
        self.register_buffer('phases_key', torch.zeros((), dtype=torch.int64))
        #: Names that a label space file gave to nodes, as UTF-8; zeros where it gave none.
        self.register_buffer('given_names', torch.zeros(num_nodes, _NAME_BYTES,
                                                        dtype=torch.uint8))
        self._at_hand: tuple[Tensor, Tensor] | None = None
        self._learned: tuple[bytes, UnifiedLabelSpace] | None = None

    def bind(self, label_space: UnifiedLabelSpace) -> None:
        """Make the graph for the classes of a label space in which each has a node of its own."""
        spaces = list(label_space.spaces.values())
        sizes = [space.num_classes for space in spaces]
        if label_space.num_nodes != sum(sizes):
            raise ValueError("GNNLabelMapper learns the label space: it needs label_space=dict("
                             f"type='disjoint'), with {sum(sizes)} nodes; this one has "
                             f'{label_space.num_nodes}')
        self.spaces, self.sizes = spaces, tuple(sizes)
        starts = np.cumsum([0, *sizes]).tolist()
        self._columns = {space.name: slice(a, b)
                         for space, a, b in zip(spaces, starts, starts[1:])}
        # A language model takes a lot of memory: one process encodes for all.
        features = torch.from_numpy(on_rank_0(lambda: class_features(spaces, **self.text)))
        self.graph = LabelGraph(features, sizes, label_space.num_nodes, self.channels, self.hidden,
                                self.num_layers)
        self.register_buffer('class_of_node', torch.full((len(spaces), label_space.num_nodes), -1))
        self.register_buffer('marginal', torch.cat(
            [torch.full((n,), 1 / n, dtype=torch.float64) for n in sizes]))

    def init_weights(self) -> None:
        """Initialise anew, so that weights follow the runner's seed."""
        if not self.is_init:
            self.graph.reset_parameters()
        super().init_weights()

    def set_weights(self, ce_weight: float | None, orthogonality_weight: float | None) -> None:
        """Take other weights of Eq. (8); ``None`` is what the config of this module gives."""
        own_ce, own_orthogonality = self._own_weights
        self.ce_weight = own_ce if ce_weight is None else ce_weight
        self.orthogonality_weight = (own_orthogonality if orthogonality_weight is None
                                     else orthogonality_weight)

    def check_solver(self) -> None:
        """Fail now if the solver of mappings is not there, or its options are wrong."""
        try:
            solve_mapping(np.eye(2), **self.transport)
        except TypeError as error:
            raise ValueError(f'GNNLabelMapper: transport={self.transport}: {error}') from error

    # ---------------------------------------------------------------- state

    @property
    def current_phase(self) -> MapperPhase:
        """The phase at hand."""
        # Read each time: averaged copies get the value in ways that leave no trace.
        return MapperPhase(int(self.phase))

    @property
    def nodes(self) -> Tensor:
        """Ids of the nodes that there are. Shape [N]."""
        return self.active.nonzero().flatten()

    def learned_space(self) -> UnifiedLabelSpace | None:
        """Return the label space that was learned so far; none before classes were merged."""
        if self.current_phase == MapperPhase.HEADS:
            return None
        nodes = self.nodes
        table = self.class_of_node[:, nodes].cpu().numpy()  # [S, N]
        given = [bytes(row).rstrip(b'\0').decode() for row in
                 self.given_names[nodes].cpu().numpy()]
        key = table.tobytes() + '\n'.join(given).encode()
        if self._learned is None or self._learned[0] != key:
            # Named after the class that says most: the one with the fewest nodes.
            counts = [np.bincount(row[row >= 0], minlength=n) for row, n in zip(table, self.sizes)]
            members = [sorted(((s, int(c)) for s, c in enumerate(column) if c >= 0),
                              key=lambda one: (counts[one[0]][one[1]], one[0]))
                       for column in table.T]
            space = UnifiedLabelSpace(
                node_names(self.spaces, members, given), self.spaces,
                {one.name: table[s] for s, one in enumerate(self.spaces)})
            self._learned = (key, space)
        return self._learned[1]

    def parameters_of(self, phase: MapperPhase) -> list[nn.Parameter]:
        """Return the parameters of this module that a phase trains."""
        return {MapperPhase.HEADS: list(self.heads.parameters()),
                MapperPhase.GRAPH: list(self.graph.parameters()),
                MapperPhase.SEGMENTATION: [],
                MapperPhase.FINAL: [self.node_embedding]}[phase]

    # ---------------------------------------------------------------- use

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """Run the graph network once for all datasets of a batch."""
        if self.current_phase == MapperPhase.GRAPH:
            self._at_hand = self.graph(self.nodes)
        try:
            yield
        finally:
            self._at_hand = None

    def _graph(self) -> tuple[Tensor, Tensor]:
        return self.graph(self.nodes) if self._at_hand is None else self._at_hand

    def node_weights(self) -> Tensor:
        """Return the rows of the nodes that there are. Shape [N, D]."""
        if self.current_phase == MapperPhase.GRAPH:
            return self._graph()[0]
        return self.node_embedding[self.nodes]

    def class_weights(self, dataset: str) -> Tensor:
        """Return the rows of a dataset's classes, after the phase of heads. Shape [K, D]."""
        columns = self._columns[dataset]
        if self.current_phase == MapperPhase.GRAPH:
            features, links = self._graph()
            return class_weights_of_nodes(features, links[:, columns])
        nodes = self.nodes
        classes = self.class_of_node[list(self._columns).index(dataset), nodes]
        linked = classes >= 0
        rows = self.node_embedding[nodes[linked]]
        return rows.new_zeros(columns.stop - columns.start, self.channels).index_add(
            0, classes[linked], rows)

    def forward(self, embedding: Tensor,
                rows: Union[slice, Tensor] = slice(None)) -> Tensor:  # noqa: B008, UP007
        """Return the logits of nodes of the present label space (Eq. 4)."""
        if self.current_phase == MapperPhase.HEADS:
            return self.heads(embedding, rows)
        return F.conv2d(embedding, self.node_weights()[rows][:, :, None, None])

    def num_outputs(self, target: str) -> int:
        """Return the number of channels of :meth:`classify`."""
        if target != UNIFIED:
            columns = self._columns[target]
            return columns.stop - columns.start
        if self.current_phase == MapperPhase.HEADS:
            return sum(self.sizes)
        return int(self.active.sum())

    def classify(self, embedding: Tensor, target: str) -> Tensor:
        """Return the logits of a dataset's classes (Eq. 5), or of all nodes. [B, K, H, W]."""
        if target == UNIFIED:
            return self(embedding)
        if self.current_phase == MapperPhase.HEADS:
            return self.heads(embedding, self._columns[target])
        return F.conv2d(embedding, self.class_weights(target)[:, :, None, None])

    def losses(self) -> dict[str, Tensor]:
        """Return what is added to the losses of the datasets (Eq. 8): in graph phases Eq. (7)."""
        if self.current_phase != MapperPhase.GRAPH:
            return {}
        return {'loss_orthogonality': self.orthogonality_weight * orthogonality_loss(
            self._graph()[0], self.orthogonality)}

    @property
    def dataset_loss_weight(self) -> float:
        """The weight of the datasets' losses: lambda_1 of Eq. (8) in graph phases."""
        return self.ce_weight if self.current_phase == MapperPhase.GRAPH else 1.0

    # ---------------------------------------------------------------- transitions

    @torch.no_grad()
    def merge(self, label_space: UnifiedLabelSpace, affinities: np.ndarray | None = None,
              keep_names: bool = False) -> None:
        """Begin with the nodes of a label space (Appendix B).

        Their number, their classes and, for the edges of the graph, the first links. Nodes have the
        mean row of their classes: of the heads or, after their phase, of the nodes so far.

        Args:
            label_space: Of the same datasets, with at most as many nodes as there are classes.
            affinities: How near classes are to each other; 1 stands for as near as merged ones. A
                node begins with links, to the datasets of which it has no class, as near as their
                classes are to its own. Default: with equal links. Shape [C, C].
            keep_names: Nodes stay called as they are, up to 96 bytes. Default: they are called
                after the classes that they stand for.

        Raises:
            ValueError: It has other datasets or classes, or more nodes.
        """
        self.check_space(label_space)
        count, device = label_space.num_nodes, self.active.device
        class_rows = self._class_rows()  # [C, D]
        near = torch.zeros(count, sum(self.sizes), dtype=torch.float64)  # of nodes to classes
        if affinities is not None:
            member = np.concatenate([label_space.mapping(s.name) for s in self.spaces], axis=1)
            near += torch.from_numpy(member @ affinities / member.sum(axis=1, keepdims=True))
        self.active.zero_()
        self.active[:count] = True
        self.class_of_node.fill_(-1)
        self.graph.edge_weights.zero_()
        self.node_embedding.zero_()
        parts = torch.zeros(count, device=device)
        for s, space in enumerate(self.spaces):
            classes = torch.tensor(label_space.class_of_node(space.name), device=device)
            self.class_of_node[s, :count] = classes
            nodes = (classes >= 0).nonzero().flatten()
            rows = self._columns[space.name].start + classes[nodes]
            sure = link_weight(max(self.link_probability, 1 / space.num_classes),
                               space.num_classes)
            columns = self._columns[space.name]
            self.graph.edge_weights[:count, columns] = sure * torch.where(
                (classes < 0)[:, None], near[:, columns].to(device), 0).to(class_rows)
            self.graph.edge_weights[nodes, rows] = sure
            self.node_embedding[nodes] += class_rows[rows]
            parts[nodes] += 1
        self.node_embedding[:count] /= parts[:, None]
        self.marginal.copy_(torch.cat([torch.full((n,), 1 / n) for n in self.sizes]))
        self.given_names.zero_()
        for node, name in enumerate(label_space.nodes if keep_names else ()):
            # A cut must not go through a letter.
            text = name.encode()[:_NAME_BYTES].decode(errors='ignore').encode()
            self.given_names[node, :len(text)] = torch.tensor(list(text), dtype=torch.uint8)

    def check_space(self, label_space: UnifiedLabelSpace) -> None:
        """Refuse a label space that :meth:`merge` cannot begin with; errors as there."""
        names = [space.name for space in self.spaces]
        if list(label_space.datasets) != names or any(
                label_space.space(s.name).classes != s.classes for s in self.spaces):
            raise ValueError(f'the label space is about {", ".join(label_space.datasets)}; the '
                             f'model has {", ".join(names)}, or their classes differ')
        count = label_space.num_nodes
        if count > len(self.active):
            raise ValueError(f'{count} nodes: there is room for {len(self.active)}')
        if max(self.sizes) > count:
            raise ValueError(f'{max(self.sizes)} classes of one dataset cannot be linked to '
                             f'{count} nodes')

    def _class_rows(self) -> Tensor:
        """Return a row for each class of each dataset. Shape [C, D]."""
        if self.current_phase == MapperPhase.HEADS:
            return self.heads.weight.flatten(1).clone()
        rows = []
        for s, count in enumerate(self.sizes):
            linked = (self.class_of_node[s] >= 0).nonzero().flatten()
            classes = self.class_of_node[s, linked]
            sums = self.node_embedding.new_zeros(count, self.channels).index_add(
                0, classes, self.node_embedding[linked])
            rows.append(sums / torch.bincount(classes, minlength=count)[:, None].clamp(min=1))
        return torch.cat(rows)

    @torch.no_grad()
    def solve(self) -> None:
        """Decide what every node stands for (Appendix C), and take over the graph's nodes.

        Rank 0 decides for all processes.
        """
        nodes = self.nodes
        features, links = self.graph(nodes)
        self.node_embedding[nodes] = features.to(self.node_embedding.dtype)
        scores = links.double().cpu().numpy()  # [N, C]
        found = on_rank_0(lambda: [
            solve_mapping(scores[:, columns].T, self.marginal[columns].cpu().numpy(),
                          **self.transport) for columns in self._columns.values()])
        before = self.class_of_node.clone()
        for s, (columns, one) in enumerate(zip(self._columns.values(), found)):
            self.class_of_node[s, nodes] = torch.from_numpy(one.class_of_node).to(nodes)
            self.marginal[columns] = torch.from_numpy(one.marginal).to(self.marginal)
        broadcast(self.node_embedding.data)
        changed = int((before != self.class_of_node).sum())
        print_log(f'links are solved: {changed} of {len(self.sizes) * len(nodes)} are others than '
                  'before', logger='current')

    @torch.no_grad()
    def prune(self, usage: Mapping[str, Sequence[int]], min_share: float = 0.0) -> int:
        """Take away links that the images do not use, and nodes without any (Appendix A).

        Args:
            usage: For each dataset, on how many pixels of its images each node of the present label
                space wins. [N] each.
            min_share: See :func:`mmseg_multids.label_spaces.pruning.kept_links`.

        Returns:
            The number of links that were taken away.
        """
        nodes = self.nodes
        before = int((self.class_of_node >= 0).sum())
        for s, space in enumerate(self.spaces):
            classes = self.class_of_node[s, nodes].cpu().numpy()
            kept = kept_links(classes, np.asarray(usage[space.name]), space.num_classes, min_share)
            self.class_of_node[s, nodes] = torch.from_numpy(kept).to(nodes)
        broadcast(self.class_of_node)
        self.active &= (self.class_of_node >= 0).any(dim=0)
        self.pruned.fill_(True)
        gone = before - int((self.class_of_node >= 0).sum())
        print_log(f'{gone} of {before} links and {len(nodes) - int(self.active.sum())} of '
                  f'{len(nodes)} nodes are not used and taken away', logger='current')
        return gone
