"""What is predicted: label spaces and ways to unify them. Needs numpy, scipy and POT only."""

from .alias_file import AliasFile, read_alias_file, resolve_aliases
from .build import build_label_space
from .inherit import inherited_nodes, namesakes, nodes_by_name
from .names import match_by_name, normalise_name
from .node_mapping import NodeMapping
from .relations import ClassRelations, Relation, label_space_hash
from .remap import LabelRemap, read_remap
from .report import format_label_space, format_node_mapping
from .space import LabelSpace
from .unified import UnifiedLabelSpace
from .unify import unify_by_name, unify_disjoint
from .unseen import match_nodes, unused_aliases

__all__ = [
    'AliasFile',
    'ClassRelations',
    'LabelRemap',
    'LabelSpace',
    'NodeMapping',
    'Relation',
    'UnifiedLabelSpace',
    'build_label_space',
    'format_label_space',
    'format_node_mapping',
    'inherited_nodes',
    'label_space_hash',
    'match_by_name',
    'match_nodes',
    'namesakes',
    'nodes_by_name',
    'normalise_name',
    'read_alias_file',
    'read_remap',
    'resolve_aliases',
    'unify_by_name',
    'unify_disjoint',
    'unused_aliases',
]
