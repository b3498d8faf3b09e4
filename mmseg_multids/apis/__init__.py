"""What a script calls."""

from .inference import inference, init_model
from .multi_label import multi_label_inference

__all__ = ['inference', 'init_model', 'multi_label_inference']
