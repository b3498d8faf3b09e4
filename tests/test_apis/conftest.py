"""Teachers, labels and runs of self-training that several files look at."""

import pytest
import torch

from mmseg_multids.apis.pseudo_labels import generate_pseudo_labels
from mmseg_multids.apis.trained import build_segmentor

from . import pseudo, selftraining
from .selftraining import CITY, begun, student, training


@pytest.fixture(scope='module')
def here(tmp_path_factory):
    """Images without labels and the teacher's config."""
    folder = tmp_path_factory.mktemp('self_training')
    selftraining.place(folder)
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


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A folder with a teacher, and 6 images in `images`."""
    folder = tmp_path_factory.mktemp('pseudo')
    pseudo.teacher(folder)
    pseudo.write_images(folder / 'images', 6)
    return folder


@pytest.fixture
def make(place, tmp_path):
    """Label the images into a folder."""
    def make(out='out', model=None, images=None, **options):
        options = {'label_space': 'one', **options}
        return generate_pseudo_labels(model or pseudo.read(place), images or [place / 'images'],
                                      tmp_path / out, place / 'model.pth', **options)
    return make
