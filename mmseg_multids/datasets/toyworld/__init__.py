"""A procedural world, built to contain the conflicts between label spaces."""

from .dataset import RenderToyWorld, ToyWorldDataset
from .leaves import LEAVES
from .render import render_scene
from .truth import true_links, true_relations
from .views import VIEWS, class_relation, leaf_to_class, leaves_of_class

__all__ = ['LEAVES', 'VIEWS', 'RenderToyWorld', 'ToyWorldDataset', 'class_relation',
           'leaf_to_class', 'leaves_of_class', 'render_scene', 'true_links', 'true_relations']
