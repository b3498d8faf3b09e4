"""Runs of self-training that several files look at."""

import pytest
import torch

from mmseg_multids.apis.trained import build_segmentor

from .selftraining import CITY, begun, place, student, training


@pytest.fixture(scope='module')
def here(tmp_path_factory):
    """Images without labels and the teacher's config."""
    folder = tmp_path_factory.mktemp('self_training')
    place(folder)
    return folder


@pytest.fixture(scope='module')
def whole(here):
    """A run of two loops."""
    run = begun(student(here), here / 'run')
    run.run(2)
    return run


@pytest.fixture(scope='module')
def teacher(here):
    """A checkpoint of the teacher's config that nobody trained."""
    torch.manual_seed(1)
    torch.save({'state_dict': build_segmentor(training([CITY])).state_dict()}, here / 'given.pth')
    return str(here / 'given.pth')


@pytest.fixture(scope='module')
def taught(here, teacher):
    """A run with a given teacher, and its student."""
    run = begun(student(here), here / 'taught', teacher)
    return run, run.run()[0]
