"""Pixel-to-prototype contrast in a supervised model."""

import pytest
import torch

from mmseg_multids.functional.contrast import UNLABELLED, pixel_to_prototype
from mmseg_multids.label_spaces import LabelSpace, unify_disjoint
from mmseg_multids.models import PrototypeContrast
from mmseg_multids.models.contrast import ClassIds, ProjectionHead
from mmseg_multids.models.mixing import MixedBatch
from mmseg_multids.registry import MODELS

from .toy import build, model_cfg, sample

SPACE = unify_disjoint([LabelSpace('one', ['x', 'y', 'z']),
                        LabelSpace('two', ['a', 'b', 'c', 'd'])])
NAMES = ('one', 'two')


def contrast(**changes):
    torch.manual_seed(0)
    return PrototypeContrast(SPACE, 6, **{'images': 4, 'batch_size': 2, 'channels': 5, **changes})


def batch():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (2, 8, 12), generator=generator)
    labels[:, :2] = 255
    return torch.randn(2, 6, 4, 6, generator=generator, requires_grad=True), labels


def test_ids_are_those_of_all_datasets_one_after_the_other():
    ids = ClassIds(SPACE)
    assert ids.names == ['one/x', 'one/y', 'one/z', 'two/a', 'two/b', 'two/c', 'two/d']
    labels = torch.tensor([[[0, 0, 2, 2], [0, 0, 2, 2]], [[3, 3, 255, 255], [3, 3, 255, 255]]])
    assert ids.of(labels, NAMES, (1, 2)).tolist() == [[[0, 2]], [[6, UNLABELLED]]]
    assert torch.equal(ids.of(labels, NAMES, (2, 4))[0], labels[0])


def test_the_projection_has_three_layers_and_unit_length():
    head = ProjectionHead(6, 5)
    found = head(torch.randn(2, 6, 3, 3))
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2, 3, 3))
    assert sum(isinstance(m, torch.nn.Conv2d) for m in head.modules()) == 3
    with pytest.raises(ValueError, match='layers=0: at least 1'):
        ProjectionHead(6, 5, layers=0)


def test_the_bank_is_updated_before_the_loss():
    made, (embedding, labels) = contrast().eval(), batch()
    loss = made(embedding, labels, NAMES)['loss_contrast']
    with torch.no_grad():
        features = made.projection(embedding)
    ids = made.ids.of(labels, NAMES, (4, 6))
    other = contrast()
    other.bank.update((features, ids))
    prototypes, valid = other.bank.prototypes()
    assert torch.equal(made.bank.total, other.bank.total)
    torch.testing.assert_close(loss.detach(), pixel_to_prototype(features, ids, prototypes, valid))
    loss.backward()
    assert embedding.grad.abs().sum() > 0


def test_bank_and_loss_begin_when_they_are_told():
    made, (embedding, labels) = contrast(), batch()
    made.bank.collects = made.bank.contrasts = False
    assert made(embedding, labels, NAMES)['loss_contrast'] == 0 and int(made.bank.updates) == 0
    made.bank.collects = True
    loss = made(embedding, labels, NAMES)['loss_contrast']
    assert loss == 0 and loss.requires_grad and int(made.bank.updates) == 1
    made.bank.contrasts = True
    assert made(embedding, labels, NAMES)['loss_contrast'] > 0


@pytest.mark.parametrize('blended', [False, True])
def test_mixed_images_are_equation_six(blended):
    made, (embedding, labels) = contrast(weight=0.5).eval(), batch()
    made.bank.update((torch.nn.functional.normalize(torch.randn(7, 5, 1, 1), dim=1),
                      torch.arange(7)[:, None, None]))
    before = made.bank.total.clone()
    others = labels.flip(0)
    mixed = MixedBatch(embedding, labels, NAMES[::-1], others, 0.3, blended)
    loss = made(embedding, labels, NAMES, mixed)['loss_contrast']
    assert torch.equal(made.bank.total, before) == blended
    prototypes, valid = made.bank.prototypes()
    with torch.no_grad():
        features = made.projection(embedding)
        first, second = (pixel_to_prototype(features, made.ids.of(own, names, (4, 6)), prototypes,
                                            valid)
                         for own, names in ((labels, NAMES), (others, NAMES[::-1])))
    torch.testing.assert_close(loss.detach(), 0.5 * (0.3 * first + 0.7 * second))


def test_a_supervised_model_with_contrast():
    model = build()
    cfg = {'contrast': {'images': 4, 'batch_size': 2, 'channels': 8}}
    torch.manual_seed(0)
    whole = model_cfg()
    whole.decode_head.update(cfg)
    with_contrast = MODELS.build(whole)
    inputs, samples = torch.rand(2, 3, 32, 32), [sample('one'), sample('two', seed=1)]
    losses = with_contrast.loss(inputs, samples)
    assert losses['decode.loss_contrast'] > 0
    assert set(losses) - set(model.loss(inputs, samples)) == {'decode.loss_contrast'}
    # Weights go both ways: the bank is no part of what is predicted.
    model.load_state_dict(with_contrast.state_dict(), strict=False)
    with_contrast.load_state_dict(model.state_dict(), strict=False)
    assert with_contrast.decode_head.contrast.bank.updates == 1


@pytest.mark.parametrize(('change', 'words'), [
    ({'temperature': 0}, 'temperature=0: a number above 0'),
    ({'weight': -1}, 'weight=-1: a number from 0'),
    ({'images': 1}, 'images=1 holds no batch of 2')])
def test_what_cannot_be(change, words):
    with pytest.raises(ValueError, match=words):
        contrast(**change)
