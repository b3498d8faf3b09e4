"""Layers that know datasets."""

from .convert import bind_dsbn, collapse_dsbn, convert_to_dsbn, dsbn_layers
from .dsbn import DSBN

__all__ = ['DSBN', 'bind_dsbn', 'collapse_dsbn', 'convert_to_dsbn', 'dsbn_layers']
