"""What is predicted: label spaces and ways to unify them. Needs numpy only."""

from .build import build_label_space
from .names import match_by_name, normalise_name
from .report import format_label_space
from .space import LabelSpace
from .unified import UnifiedLabelSpace
from .unify import unify_by_name, unify_disjoint

__all__ = [
    'LabelSpace',
    'UnifiedLabelSpace',
    'build_label_space',
    'format_label_space',
    'match_by_name',
    'normalise_name',
    'unify_by_name',
    'unify_disjoint',
]
