"""Shared fixtures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from mmengine.registry import init_default_scope

import mmseg_multids  # noqa: F401 (registers the components)

ROOT = Path(__file__).parent.parent
REALBENCH = ('camvid11', 'ycor8', 'labelmefacade8', 'mumbai_aerial6')


@pytest.fixture(autouse=True, scope='session')
def _scope_of_wide_fixtures():
    init_default_scope('mmseg')  # fixtures of modules are made before those of functions


@pytest.fixture(autouse=True, scope='session')
def _plain_config_text():
    """Spare the layout of the config that a runner prints and stores: seconds for a large one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True))
        yield


@pytest.fixture(autouse=True)
def _mmseg_scope():
    init_default_scope('mmseg')
    torch.set_num_threads(1)


@pytest.fixture
def repo() -> Path:
    return ROOT


@pytest.fixture
def realbench() -> Path:
    """The folder of the four small real datasets."""
    for folder in (os.environ.get('MULTIDS_DATA_ROOT'), 'data'):
        if folder and all((Path(folder) / name).is_dir() for name in REALBENCH):
            return Path(folder)
    pytest.skip('the four small real datasets are not in MULTIDS_DATA_ROOT or data/')
