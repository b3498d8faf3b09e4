"""Layers that know datasets."""

from .convert import bind_dsbn, collapse_dsbn, convert_to_dsbn, dsbn_layers, plain_state_dict
from .dsbn import DSBN, names_from_bytes

__all__ = ['DSBN', 'bind_dsbn', 'collapse_dsbn', 'convert_to_dsbn', 'dsbn_layers',
           'names_from_bytes', 'plain_state_dict']
