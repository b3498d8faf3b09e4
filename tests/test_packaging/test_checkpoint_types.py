"""MMEngine's checkpoints load with ``weights_only=True``, and no more than they need does."""

import pickle

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.utils import digit_version

from mmseg_multids.registry import allow_checkpoint_types

pytestmark = pytest.mark.skipif(digit_version(torch.__version__) < digit_version('2.6'),
                                reason='torch has no list of allowed types')


@pytest.fixture(autouse=True)
def allowed():
    """Importing the package does it; newer MMEngines take part of the list away when they load."""
    allow_checkpoint_types()


def test_the_message_hub_of_a_checkpoint_loads(tmp_path):
    buffer = HistoryBuffer([1.0, 2.0], [1, 1])
    torch.save({'log_scalars': {'loss': buffer}, 'lr': np.float64(0.1), 'iter': np.int64(3)},
               tmp_path / 'hub.pth')
    loaded = torch.load(tmp_path / 'hub.pth', weights_only=True)
    assert loaded['log_scalars']['loss'].mean() == 1.5 and loaded['lr'] == 0.1


class _Reaches:
    """Pickled as a call of getattr on something that the unpickler otherwise allows."""

    def __init__(self, owner, name: str) -> None:
        self.owner, self.name = owner, name

    def __reduce__(self):
        return getattr, (self.owner, self.name)


@pytest.mark.parametrize('owner, name', [(HistoryBuffer, '__init__'), (np.dtype, 'mro'),
                                         (HistoryBuffer, '__subclasses__')])
def test_getattr_reaches_nothing_else(tmp_path, owner, name):
    torch.save({'x': _Reaches(owner, name)}, tmp_path / 'bad.pth')
    with pytest.raises(pickle.UnpicklingError, match='may load'):
        torch.load(tmp_path / 'bad.pth', weights_only=True)
