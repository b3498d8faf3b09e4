import copy

import pytest
import torch
from mmengine.model import ExponentialMovingAverage

from mmseg_multids.models import (
    CosineNodeClassifier,
    LinearNodeClassifier,
    StagedNodeClassifier,
    classifier_in_use,
)

STAGES = [{'type': 'CosineNodeClassifier'}, {'type': 'LinearNodeClassifier'}]


def test_stages_follow_each_other():
    torch.manual_seed(0)
    classifier = StagedNodeClassifier(STAGES, num_nodes=3, channels=4)
    x = torch.randn(2, 4, 5, 5)
    first, second = classifier.stages
    assert torch.equal(classifier(x), first(x)) and classifier_in_use(classifier) is first
    classifier.advance()
    assert torch.equal(classifier(x, torch.tensor([2, 0])), second(x, torch.tensor([2, 0])))
    with pytest.raises(ValueError, match='stage 2 of 2 is the last'):
        classifier.advance()


def test_the_stage_is_part_of_checkpoints_and_copies():
    classifier = StagedNodeClassifier(STAGES, num_nodes=3, channels=4)
    other = StagedNodeClassifier(STAGES, num_nodes=3, channels=4)
    assert other.current is other.stages[0]
    classifier.advance()
    other.load_state_dict(classifier.state_dict())
    assert other.current is other.stages[1]
    twin = copy.deepcopy(other)
    assert twin.current is twin.stages[1]


def test_every_parameter_has_a_gradient_in_training():
    classifier = StagedNodeClassifier(STAGES, num_nodes=3, channels=4).train()
    classifier(torch.randn(1, 4, 2, 2)).sum().backward()
    grads = {name: p.grad for name, p in classifier.named_parameters()}
    assert all(grad is not None for grad in grads.values())
    assert not grads['stages.1.weight'].any() and grads['stages.0.weight'].any()


def test_one_stage_is_refused():
    with pytest.raises(ValueError, match='stages has 1 classifier'):
        StagedNodeClassifier(STAGES[:1], num_nodes=3, channels=4)


def test_averaged_copies_follow_the_stage():
    classifier = StagedNodeClassifier(STAGES, num_nodes=3, channels=4)
    average = ExponentialMovingAverage(classifier)
    average.update_parameters(classifier)
    classifier.advance()
    average.update_parameters(classifier)
    assert average.module.current is average.module.stages[1]


def test_cosines_of_nothing_in_half_precision():
    classifier = CosineNodeClassifier(num_nodes=3, channels=4).half()
    assert classifier(torch.zeros(1, 4, 2, 2, dtype=torch.half)).isfinite().all()


def test_the_first_scores_are_the_prior():
    classifier = LinearNodeClassifier(num_nodes=3, channels=4, prior=0.02)
    scores = classifier(torch.zeros(1, 4, 2, 2)).sigmoid()
    torch.testing.assert_close(scores, torch.full_like(scores, 0.02))
    assert not LinearNodeClassifier(num_nodes=3, channels=4).bias.any()
    with pytest.raises(ValueError, match='prior=1: a probability'):
        LinearNodeClassifier(num_nodes=3, channels=4, prior=1)
