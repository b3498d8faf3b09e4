"""One semantic segmentation model for many datasets whose label spaces differ and conflict.

Importing the package registers its components into MMSegmentation; configs do so by
``custom_imports = dict(imports=['mmseg_multids'])``.
"""

from . import datasets, engine, evaluation, models, visualization
from .version import __version__

__all__ = ['__version__', 'datasets', 'engine', 'evaluation', 'models', 'visualization']
