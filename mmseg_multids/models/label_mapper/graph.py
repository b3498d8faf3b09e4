"""The graph network over classes and nodes (AutoUniSeg, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...functional import node_adjacency


class LabelGraph(nn.Module):
    """Learns what nodes are like and which classes they are linked with.

    Classes and nodes are the vertices of a graph. A class begins with its text features plus an
    embedding of its dataset (Eq. 1), a node with random ones that are learned. The links from
    classes to nodes are learned (Eq. 2); no other vertices are linked. Three layers of GraphSAGE
    with tanh (Eq. 3) give the nodes' features.

    Args:
        text_features: Features of the C classes, dataset by dataset. Shape [C, F].
        sizes: Number of classes of each of the S datasets.
        num_nodes: Number of nodes N that there is room for.
        channels: Channels D of the nodes' features.
        hidden: Channels between the layers.
        layers: Number of layers.

    Raises:
        ImportError: torch-geometric is not installed.
    """

    def __init__(self, text_features: Tensor, sizes: Sequence[int], num_nodes: int, channels: int,
                 hidden: int = 256, layers: int = 3) -> None:
        super().__init__()
        try:
            from torch_geometric.nn import DenseGraphConv
        except ImportError as error:
            raise ImportError('GNNLabelMapper needs torch-geometric: pip install '
                              'torch-geometric') from error
        self.sizes = tuple(sizes)
        classes, width = text_features.shape
        self.register_buffer('text_features', text_features)
        self.dataset_embedding = nn.Parameter(torch.empty(len(sizes), width))
        self.node_input = nn.Parameter(torch.empty(num_nodes, width))
        self.edge_weights = nn.Parameter(torch.zeros(num_nodes, classes))
        widths = [width, *[hidden] * (layers - 1), channels]
        # W [X || M X] of Eq. (3) is a linear layer for each half; aggr='add' sums as M X does.
        self.layers = nn.ModuleList(DenseGraphConv(a, b, aggr='add')
                                    for a, b in zip(widths, widths[1:]))
        self.register_buffer('dataset_of_class', torch.repeat_interleave(
            torch.arange(len(sizes)), torch.tensor(sizes)), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise; random features have the length of the text features."""
        length = self.text_features.norm(dim=1).mean()
        nn.init.normal_(self.node_input, std=float(length) / self.node_input.shape[1] ** 0.5)
        nn.init.normal_(self.dataset_embedding,
                        std=0.1 * float(length) / self.node_input.shape[1] ** 0.5)
        nn.init.zeros_(self.edge_weights)
        for layer in self.layers:
            layer.reset_parameters()

    def adjacency(self, nodes: Tensor) -> Tensor:
        """Return the links of some nodes with all classes. Shape [n, C]."""
        return node_adjacency(self.edge_weights[nodes], self.sizes)

    def forward(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and links of some nodes.

        Args:
            nodes: Ids of the n nodes that take part. Shape [n].

        Returns:
            Features X_u of the nodes, [n, D], and their links M, [n, C].
        """
        links = self.adjacency(nodes)
        classes = self.text_features + self.dataset_embedding[self.dataset_of_class]  # Eq. (1)
        features = torch.cat([classes, self.node_input[nodes]])  # [C + n, F]
        count = len(classes)
        matrix = features.new_zeros(len(features), len(features))
        matrix[count:, :count] = links
        for layer in self.layers:
            features = layer(features[None], matrix[None])[0].tanh()
        return features[count:], links
