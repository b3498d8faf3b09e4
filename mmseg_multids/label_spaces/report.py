"""A label space in words."""

from __future__ import annotations

import numpy as np

from .names import normalise_name
from .node_mapping import NodeMapping
from .unified import UnifiedLabelSpace


def format_label_space(label_space: UnifiedLabelSpace) -> str:
    """Say what the nodes are, what datasets share, and what they do not.

    Returns:
        Several lines of text: a line per dataset, the nodes that stand for classes of several
        datasets, equal names that did not become one node, each dataset's own nodes, classes that
        own several nodes, and each dataset's classes with the nodes they are read from.
    """
    datasets = label_space.datasets
    member = np.stack([label_space.class_of_node(d) >= 0 for d in datasets])  # [S, N]
    classes = sum(label_space.space(d).num_classes for d in datasets)
    lines = [f'{label_space.num_nodes} nodes for {classes} classes of {len(datasets)} dataset(s)',
             '']
    width = max(len(d) for d in datasets)
    for dataset, row in zip(datasets, member):
        own = int((row & (member.sum(axis=0) == 1)).sum())
        lines.append(f'  {dataset:{width}}  {label_space.space(dataset).num_classes:4d} classes, '
                     f'{int(row.sum()):4d} nodes, {own:4d} of them its own')
    shared = np.flatnonzero(member.sum(axis=0) > 1)
    lines += ['', f'shared by several datasets: {len(shared)} nodes']
    for node in shared:
        parts = [f'{d}: {_class_name(label_space, d, node)}' for d in datasets
                 if label_space.class_of_node(d)[node] >= 0]
        lines.append(f'  {node:4d}  {label_space.nodes[node]}  ({"; ".join(parts)})')
    lines += _separate_names(label_space)
    for dataset, row in zip(datasets, member):
        own_nodes = np.flatnonzero(row & (member.sum(axis=0) == 1))
        lines += ['', f'only in {dataset}: {len(own_nodes)} nodes']
        lines += [f'  {node:4d}  {_class_name(label_space, dataset, node)}' for node in own_nodes]
    for dataset in datasets:
        several = label_space.classes_with_several_nodes(dataset)
        if several:
            lines += ['', f'classes of {dataset} with several nodes: {", ".join(several)}']
    for dataset in datasets:
        lines += ['', f'classes of {dataset}:']
        for class_id, name in enumerate(label_space.space(dataset).classes):
            nodes = [label_space.nodes[n] for n in label_space.nodes_of_class(dataset, class_id)]
            reads = '' if nodes in ([name], [f'{dataset}/{name}']) else f' -> {", ".join(nodes)}'
            lines.append(f'  {class_id:4d}  {name}{reads}')
    return '\n'.join(lines)


def format_node_mapping(mapping: NodeMapping) -> str:
    """Say what each node stands for and, where the mapping was searched, what decided.

    Returns:
        Several lines of text: a line per node with its class, the IoU of that class with all of
        its nodes, and without this one; the classes without a node; the mean IoU. IoUs in percent,
        on the images of the search.
    """
    ious, without = mapping.iou_of_class or {}, mapping.iou_without_node or {}
    lines = []
    for node, name in mapping.class_of_node.items():
        score = ''
        if ious.get(name) is not None:
            score = f'  (IoU {100 * ious[name]:.1f}'
            if without.get(node) is not None:
                score += f', without this node {100 * without[node]:.1f}'
            score += ')'
        lines.append(f'{node} -> {name or "(void)"}{score}')
    known = {name: iou for name, iou in ious.items() if iou is not None}
    taken = set(mapping.class_of_node.values())
    missing = [name for name in known if name not in taken]
    if missing:
        lines.append(f'no node stands for (IoU 0): {", ".join(missing)}')
    if len(known) < len(ious):
        lines.append('not in the images of the search: '
                     + ', '.join(name for name in ious if name not in known))
    if known:
        lines.append(f'mean IoU on the images of the search: '
                     f'{100 * np.mean(list(known.values())):.1f}')
    return '\n'.join(lines)


def _class_name(label_space: UnifiedLabelSpace, dataset: str, node: int) -> str:
    return label_space.space(dataset).classes[label_space.class_of_node(dataset)[node]]


def _separate_names(label_space: UnifiedLabelSpace) -> list[str]:
    """Names that several datasets have, but that no node joins for all of them."""
    owners: dict[str, list[tuple[str, int]]] = {}
    for dataset in label_space.datasets:
        for class_id, name in enumerate(label_space.space(dataset).classes):
            owners.setdefault(normalise_name(name), []).append((dataset, class_id))
    lines = []
    for name, classes in owners.items():
        common = set.intersection(*(set(label_space.nodes_of_class(*c).tolist()) for c in classes))
        if len({dataset for dataset, _ in classes}) > 1 and not common:
            parts = [f'{d}: {label_space.space(d).classes[i]}' for d, i in classes]
            lines.append(f'  {name}  ({"; ".join(parts)})')
    return ['', f'the same name but separate nodes: {len(lines)}', *lines] if lines else []
